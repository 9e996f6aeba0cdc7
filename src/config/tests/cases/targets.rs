//! Kinds that a server or a program has to be told of.

use super::Case;

/// A sound administrator, in lines 7 to 9.
macro_rules! admin {
    ($rest:literal) => {
        concat!(
            "[secrets.boss]\nkind = 'external'\nformat = 'url'\n[secrets.a]\n",
            $rest
        )
    };
}

pub const CASES: &[Case] = &[
    (
        "alternating users",
        admin!(
            "kind = 'postgres'\nstrategy = 'alternating-users'\nusers = ['a', 'b']\nadmin = 'boss'\nurl = 'postgres://{user}:{password}@db:5432/app?sslmode=verify-full'\nenv = { U = '{username}', P = '{password}' }"
        ),
        &[],
    ),
    (
        "single user that changes itself",
        "[secrets.a]\nkind = 'postgres'\nstrategy = 'single-user'\nusers = ['a']\naccept_gap = true\nurl = 'postgresql://{user}:{password}@[::1]/app'",
        &[],
    ),
    (
        "two passwords at once",
        admin!(
            "kind = 'mysql'\nstrategy = 'single-user'\nusers = ['a']\nadmin = 'boss'\nurl = 'mysql://{user}:{password}@db/app'\nformat = 'rds-json'"
        ),
        &[],
    ),
    (
        "a gap nobody accepted, and nobody who may",
        "[secrets.a]\nkind = 'postgres'\nstrategy = 'single-user'\nusers = ['a']\nurl = 'postgres://{user}:{password}@db/app'\n[secrets.b]\nkind = 'postgres'\nstrategy = 'alternating-users'\nusers = ['a', 'b']\naccept_gap = true\nurl = 'postgres://{user}:{password}@db/other'\n[secrets.c]\nkind = 'mysql'\nstrategy = 'single-user'\nusers = ['c']\nurl = 'mysql://{user}:{password}@db/app'",
        &[
            "9:12 single-user has a gap",
            "12:10 `admin` is missing",
            "16:14 does not apply to alternating-users",
            "18:10 `admin` is missing",
        ],
    ),
    (
        "users",
        admin!(
            "kind = 'postgres'\nstrategy = 'alternating-users'\nusers = ['a', 'a']\nadmin = 'boss'\nurl = 'postgres://{user}:{password}@db/app'\n[secrets.b]\nkind = 'postgres'\nstrategy = 'single-user'\naccept_gap = true\nusers = ['a', 'b']\nurl = 'postgres://{user}:{password}@db2/app'\n[secrets.c]\nkind = 'mysql'\nstrategy = 'alternating-users'\nadmin = 'boss'\nusers = ['c', 'ddddddddddddddddddddddddddddddddd']\nurl = 'mysql://{user}:{password}@db/app'"
        ),
        &[
            "13:9 two different users",
            "20:9 is about one user",
            "26:9 longer than 32 bytes",
        ],
    ),
    (
        "urls",
        admin!(
            "kind = 'postgres'\nstrategy = 'alternating-users'\nusers = ['a', 'b']\nadmin = 'boss'\nurl = 'mysql://{user}:{password}@db/app'\nserver = 'db:0'\n[secrets.b]\nkind = 'postgres'\nstrategy = 'alternating-users'\nusers = ['c', 'd']\nadmin = 'boss'\nurl = 'postgres://{user}@db/app'\n[secrets.c]\nkind = 'postgres'\nstrategy = 'alternating-users'\nusers = ['e', 'f']\nadmin = 'boss'\nurl = 'postgres://{user}:{password}@db'"
        ),
        &[
            "15:7 does not begin with a scheme",
            "16:10 is not host:port",
            "22:7 does not have {user}:{password}",
            "28:7 names no database",
        ],
    ),
    (
        "a password in the url",
        admin!(
            "kind = 'postgres'\nstrategy = 'alternating-users'\nusers = ['a', 'b']\nadmin = 'boss'\nurl = 'postgres://a:hunter2@db/app'"
        ),
        &[
            "15:7 does not have {user}:{password}",
            "15:16 this file contains a secret value",
        ],
    ),
    (
        "administrators",
        "[secrets.raw]\nkind = 'external'\n[secrets.a]\nkind = 'postgres'\nstrategy = 'alternating-users'\nusers = ['a', 'b']\nadmin = 'raw'\nurl = 'postgres://{user}:{password}@db/app'\n[secrets.b]\nkind = 'mysql'\nstrategy = 'alternating-users'\nusers = ['a', 'b']\nadmin = 'a'\nurl = 'mysql://{user}:{password}@db/app'\n[secrets.c]\nkind = 'command'\nargv = ['/bin/true']\nslots = 'dual'\nuses = ['nobody']",
        &[
            "13:9 names a secret without a user name",
            "19:9 names a secret that keyrota rotates itself",
            "25:8 names a secret that this file does not have",
        ],
    ),
    (
        "a program",
        "[secrets.a]\nkind = 'command'\nargv = ['redis-acl']\nslots = 'two'\nlength = 4\ntimeout = '11m'",
        &[
            "9:8 does not begin with the path",
            "10:9 ",
            "11:10 128 bit",
            "12:11 is not between 1s and 10m",
        ],
    ),
    (
        "what a database's credentials have not",
        admin!(
            "kind = 'postgres'\nstrategy = 'alternating-users'\nusers = ['a', 'b']\nadmin = 'boss'\nurl = 'postgres://{user}:{password}@db/app'\norigin = 'imported'\nwhen_absent = 'create'\ngrace = '10s'"
        ),
        &[
            "16:1 does not apply to this kind",
            "17:1 does not apply to this kind",
            "18:9 shorter than refresh",
        ],
    ),
];
