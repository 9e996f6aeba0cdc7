//! What several tests need: real servers, the real binary, and what to look for afterwards.

pub mod evidence;
pub mod hostile;
pub mod http_proxy;
pub mod keyrota;
pub mod lagging;
pub mod leaks;
pub mod mariadb;
pub mod moto;
pub mod openbao;
pub mod pooler;
pub mod postgres;
pub mod proxy;
pub mod redis;
