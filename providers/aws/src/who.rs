//! Who asks: the credentials of a profile, or of AWS' usual chain, and what their absence means.
//!
//! What waiting never mends is told apart from what is not there yet: a profile that names something that
//! keyrota has not got, or that does not exist, is a person's to correct. The SDK does not give its errors a
//! form for programs, so its words choose between the sentences; where they are ever others, the sentence is
//! less precise. They are never shown: the answer of a program may be among them.

use std::error::Error;
use std::fmt;
use std::sync::{Mutex, MutexGuard};

use aws_config::Region;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use keyrota_contract::{ErrorKind, ProviderError};

use crate::error::causes;

/// Gets credentials, and reads the configuration files again after a failure: the SDK keeps the first answer.
#[derive(Debug)]
pub(crate) struct Who {
    /// This profile and nobody else, whatever the environment says; the usual chain otherwise.
    profile: Option<String>,
    region: Region,
    made: Mutex<Option<SharedCredentialsProvider>>,
}

impl Who {
    pub(crate) fn new(profile: Option<String>, region: Region) -> Self {
        Self {
            profile,
            region,
            made: Mutex::default(),
        }
    }

    async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        let made = self.made().clone();
        let source = match made {
            Some(source) => source,
            None => {
                let source = self.make().await;
                self.made().insert(source).clone()
            }
        };
        let told = source.provide_credentials().await;
        told.map_err(|e| {
            *self.made() = None;
            match never(&e, self.profile.is_some(), is_set) {
                Some(never) => CredentialsError::invalid_configuration(never),
                None => e,
            }
        })
    }

    async fn make(&self) -> SharedCredentialsProvider {
        let region = Some(self.region.clone());
        match &self.profile {
            Some(name) => {
                let around = ProviderConfig::without_region().with_region(region);
                let profile = ProfileFileCredentialsProvider::builder().profile_name(name);
                SharedCredentialsProvider::new(profile.configure(&around).build())
            }
            None => {
                let chain = DefaultCredentialsChain::builder().region(self.region.clone());
                SharedCredentialsProvider::new(chain.build().await)
            }
        }
    }

    fn made(&self) -> MutexGuard<'_, Option<SharedCredentialsProvider>> {
        self.made.lock().unwrap_or_else(|held| held.into_inner())
    }
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

impl ProvideCredentials for Who {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.made().as_ref()?.fallback_on_interrupt()
    }
}

/// What waiting never mends, among the causes of an error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Never(pub ProviderError);

impl fmt::Display for Never {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Never {}

/// Why these credentials never come, if they never do. `alone`: nothing but one profile is asked. `is_set`:
/// whether a variable of the environment has a value; a process keeps its environment as long as it lives.
fn never(e: &CredentialsError, alone: bool, is_set: impl Fn(&str) -> bool) -> Option<Never> {
    let text: Vec<_> = causes(e).map(ToString::to_string).collect();
    let text = text.join(": ");
    let says = |words: &str| text.contains(words);
    let why = match e {
        CredentialsError::InvalidConfiguration(_) => {
            let first = WRONG_CONFIGURATION.iter().find(|(words, _)| says(words));
            first.map_or(WRONG_PROFILE, |(_, why)| *why)
        }
        CredentialsError::CredentialsNotLoaded(_) if says("`sso_") => SSO,
        CredentialsError::CredentialsNotLoaded(_) if says("was not defined") => MISSING,
        CredentialsError::CredentialsNotLoaded(_) if alone => EMPTY,
        CredentialsError::CredentialsNotLoaded(_)
            if is_set("AWS_ACCESS_KEY_ID") != is_set("AWS_SECRET_ACCESS_KEY") =>
        {
            HALF
        }
        CredentialsError::CredentialsNotLoaded(_)
            if is_set("AWS_WEB_IDENTITY_TOKEN_FILE") && !is_set("AWS_ROLE_ARN") =>
        {
            NO_ROLE
        }
        // What a shell says of a program that is not there, and of one that it may not run.
        CredentialsError::ProviderError(_)
            if says("exited with code exit status: 127")
                || says("exited with code exit status: 126") =>
        {
            NO_PROGRAM
        }
        _ => return None,
    };
    Some(Never(ProviderError::new(ErrorKind::Denied, why)))
}

/// Words of the SDK, and the sentence.
const WRONG_CONFIGURATION: &[(&str, &str)] = &[
    ("feature(s) enabled: sso", SSO),
    ("invalid SSO config", SSO),
    ("sso-session named", SSO),
    ("feature(s) enabled: credentials-login", LOGIN),
    ("infinite loop", LOOP),
    ("provider is not supported", SOURCE),
    ("but that provider", SOURCE),
    ("could not parse profile file", FILE),
    ("could not read file", UNREADABLE),
    ("credential source", SOURCE),
];

const SSO: &str = "the AWS profile signs in through IAM Identity Center (`aws configure sso`), which keyrota does not do itself: add a profile with `credential_process = aws configure export-credentials --profile NAME --format process`, and name that one";
const LOGIN: &str = "the AWS profile takes the session of `aws login`, which keyrota does not do itself: add a profile with `credential_process = aws configure export-credentials --profile NAME --format process`, and name that one";
const MISSING: &str = "the AWS configuration files are wrong: the `profile` is missing, or another one that it names in `source_profile`; `aws configure list-profiles` shows what is there";
const EMPTY: &str = "the AWS configuration files are wrong: the `profile` is missing or has no credentials in it; `aws configure list-profiles` shows what is there";
const LOOP: &str = "the AWS configuration files are wrong: the profiles name each other in `source_profile` without end; let one of them have credentials";
const SOURCE: &str = "the AWS configuration files are wrong: the profile's role or key is not complete; a `role_arn` needs one `source_profile` that has credentials, or one `credential_source` (Environment, Ec2InstanceMetadata or EcsContainer), and a key needs both of its halves";
const FILE: &str = "the AWS configuration files are wrong: a line is neither `[section]` nor `name = value`; `aws configure list` names it";
const UNREADABLE: &str = "the AWS configuration files cannot be read: check the owner and the mode of AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE";
const HALF: &str = "the environment has half of an AWS key: set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither";
const NO_ROLE: &str =
    "AWS_WEB_IDENTITY_TOKEN_FILE is set and AWS_ROLE_ARN is not: set both, or neither";
const NO_PROGRAM: &str = "the AWS profile's `credential_process` names a program that is not there or may not be run: write its full path";
const WRONG_PROFILE: &str =
    "the AWS configuration files are wrong: the `profile` is missing or cannot be used";
