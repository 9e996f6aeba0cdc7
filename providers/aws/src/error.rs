//! What an answer, or the lack of one, means.
//!
//! The kind depends on AWS' error code, the HTTP status and how far the request came. The text of an
//! answer is looked at only to choose between two sentences of one kind, and to tell a wrong clock from
//! a wrong key, for which AWS has one code.
//!
//! What has *ended* or will pass (a session, a clock that is off, a service that fails) had no effect and is
//! `Unavailable`: whoever renews it need not tell keyrota. What was *never right* (a key, a profile, a role, a
//! right) is `Denied`: a person must change something.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ssm::error::{ErrorMetadata, ProvideErrorMetadata, SdkError};
use keyrota_contract::{ErrorKind, ProviderError};

use crate::rights::Lacks;
use crate::who::Never;

/// Whether a call that got no answer may have changed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    Looking,
    Changing,
}

impl Doing {
    /// The kind of a call whose outcome nobody knows.
    fn unanswered(self, looking: &'static str, changing: &'static str) -> ProviderError {
        match self {
            Self::Looking => ProviderError::new(ErrorKind::Unavailable, looking),
            Self::Changing => ProviderError::new(ErrorKind::Ambiguous, changing),
        }
    }
}

/// The error of a call as one of ours. One that is denied names the right that its call needs.
pub(crate) fn classify<E>(doing: Doing, e: &SdkError<E>) -> ProviderError
where
    E: Lacks + ProvideErrorMetadata + Error + 'static,
{
    match told(doing, e) {
        e if e.context == DENIED => ProviderError::new(e.kind, E::LACKS),
        e => e,
    }
}

fn told<E>(doing: Doing, e: &SdkError<E>) -> ProviderError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match e {
        // A success that the SDK cannot read is an error of the service to it: a page, half an answer.
        SdkError::ServiceError(answer) if answer.raw().status().is_success() => unreadable(doing),
        SdkError::ServiceError(answer) => {
            let told = answer.err().meta();
            let status = answer.raw().status().as_u16();
            answered(doing, told.code(), told.message(), status)
        }
        // An answer whose text cannot be read (a proxy's page, half an answer): its status may do.
        SdkError::ResponseError(answer) => match answer.raw().status().as_u16() {
            status @ (401 | 403 | 429 | 500..) => answered(doing, None, None, status),
            _ => unreadable(doing),
        },
        SdkError::TimeoutError(_) => doing.unanswered(
            "AWS did not answer in time",
            "AWS did not answer in time; whether it took effect is not known",
        ),
        other => unsent(other).unwrap_or_else(|| {
            doing.unanswered("the connection to AWS broke", BROKE_WHILE_CHANGING)
        }),
    }
}

const BROKE_WHILE_CHANGING: &str =
    "the connection to AWS broke; whether it took effect is not known";

fn unreadable(doing: Doing) -> ProviderError {
    doing.unanswered(
        "the answer of AWS cannot be read: it was cut off, or something else answered",
        "the answer of AWS cannot be read; whether it took effect is not known",
    )
}

/// AWS' error code of a call, if AWS answered at all.
pub(crate) fn code<E: ProvideErrorMetadata>(e: &SdkError<E>) -> Option<&str> {
    e.as_service_error().and_then(|e| e.meta().code())
}

/// What provably never reached AWS.
fn unsent<E: Error + 'static>(e: &SdkError<E>) -> Option<ProviderError> {
    let say = |kind, context| Some(ProviderError::new(kind, context));
    if let Some(Never(why)) = find(e) {
        return Some(*why);
    }
    // The innermost: a role is assumed with credentials that may be missing themselves.
    if let Some(wrong) = last::<CredentialsError>(e) {
        return Some(match wrong {
            CredentialsError::CredentialsNotLoaded(_) => NO_CREDENTIALS,
            // Only an answer of STS has a code.
            _ => last::<ErrorMetadata>(wrong).map_or(NOT_FETCHED, refused_by_sts),
        });
    }
    if let SdkError::ConstructionFailure(_) = e {
        return say(
            ErrorKind::Invalid,
            "AWS' SDK does not build this request: check region, endpoint_url and the path",
        );
    }
    find::<hyper_util::client::legacy::Error>(e)
        .filter(|e| e.is_connect())
        .and(say(
            ErrorKind::Unavailable,
            "AWS is not reached: no connection (address, network, proxy or certificate)",
        ))
}

/// What STS answers to whoever wants to assume a role.
fn refused_by_sts(told: &ErrorMetadata) -> ProviderError {
    let e = answered(Doing::Looking, told.code(), told.message(), 400);
    match e.kind {
        ErrorKind::Throttled | ErrorKind::Unavailable => e,
        ErrorKind::Denied if e.context != DENIED => e,
        _ if told.code().is_some() => ROLE_REFUSED,
        _ => NOT_FETCHED,
    }
}

// Waited for: a machine that has just booted may not reach its metadata service yet.
const NO_CREDENTIALS: ProviderError = ProviderError::new(
    ErrorKind::Unavailable,
    "no AWS credentials are found: set them in the environment, a profile or the machine's role",
);
const ROLE_REFUSED: ProviderError = ProviderError::new(
    ErrorKind::Denied,
    "STS refuses the role: check `role_arn`, whom the role trusts, and that the credentials have `sts:AssumeRole` on it",
);
const NOT_FETCHED: ProviderError = ProviderError::new(
    ErrorKind::Unavailable,
    "AWS credentials could not be fetched: look at the role, the credential process, the web identity token file or the metadata service",
);

fn last<'a, T: Error + 'static>(e: &'a (dyn Error + 'static)) -> Option<&'a T> {
    causes(e).filter_map(|e| e.downcast_ref()).last()
}

fn find<'a, T: Error + 'static>(e: &'a (dyn Error + 'static)) -> Option<&'a T> {
    causes(e).find_map(|e| e.downcast_ref())
}

pub(crate) fn causes<'a>(
    e: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(e);
    std::iter::from_fn(move || {
        let now = next?;
        next = now.source();
        Some(now)
    })
}

/// An answer that is an error. What is not told apart here is a request that AWS does not take.
fn answered(doing: Doing, code: Option<&str>, message: Option<&str>, status: u16) -> ProviderError {
    use ErrorKind::*;
    let message = message.unwrap_or_default();
    let (kind, context) = match code.unwrap_or_default() {
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "RequestLimitExceeded"
        | "TooManyRequestsException"
        | "TooManyUpdates" => (Throttled, THROTTLED),

        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => (
            Unavailable,
            "the AWS session has expired: renew its credentials (those of the environment are read when keyrota starts)",
        ),
        "RequestExpired" | "RequestTimeTooSkewed" | "RequestInTheFuture" => (Unavailable, CLOCK),
        "InvalidSignatureException" | "SignatureDoesNotMatch" => {
            if message.contains("xpired") || message.contains("not yet current") {
                (Unavailable, CLOCK)
            } else {
                (
                    Denied,
                    "AWS does not accept the signature: the secret access key, or this host's clock, is wrong",
                )
            }
        }
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "IncompleteSignature"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException" => (
            Denied,
            "AWS does not know these credentials: the access key was deleted, or belongs elsewhere",
        ),

        "DecryptionFailure"
        | "EncryptionFailure"
        | "InvalidKeyId"
        | "KMSAccessDeniedException"
        | "KMSDisabledException"
        | "KMSInvalidStateException"
        | "KMSNotFoundException" => (Denied, KMS),
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => {
            // Secrets Manager says so too where it is KMS that refuses.
            let kms = message.contains("KMS") || message.contains("kms:");
            (Denied, if kms { KMS } else { DENIED })
        }

        "ResourceNotFoundException" | "ParameterNotFound" | "ParameterVersionNotFound" => {
            (NotFound, "AWS has no secret or version of this name")
        }
        "ResourceExistsException" | "ParameterAlreadyExists" => (
            Conflict,
            "another tool made this, or this version id has another value",
        ),
        "InvalidRequestException" => (
            Conflict,
            "AWS refuses this for the secret as it is now: marked for deletion, or managed by another service",
        ),
        "LimitExceededException" | "ParameterLimitExceeded" => {
            (Invalid, "a quota of this AWS account is used up")
        }
        "ParameterMaxVersionLimitExceeded" => (
            Invalid,
            "the oldest of the parameter's 100 versions carries a label and cannot be dropped: move the label",
        ),
        "HierarchyLevelLimitExceededException" => {
            (Invalid, "the parameter's name has more than 15 levels")
        }
        "InternalServiceError"
        | "InternalServerError"
        | "InternalFailure"
        | "ServiceUnavailable"
        | "ServiceUnavailableException" => return failed(doing),

        _ => match status {
            401 | 403 => (Denied, DENIED),
            429 => (Throttled, THROTTLED),
            500.. => return failed(doing),
            _ => (
                Invalid,
                "AWS does not take this request: check the path, the value's form and the KMS key",
            ),
        },
    };
    ProviderError::new(kind, context)
}

/// Errors of the service come from before the effect and from after it.
fn failed(doing: Doing) -> ProviderError {
    doing.unanswered(
        "AWS has an error of its own",
        "AWS has an error of its own; whether it took effect is not known",
    )
}

const THROTTLED: &str = "AWS is asked too often";
const DENIED: &str = "AWS denies it";
const CLOCK: &str = "AWS says the request is out of date: set this host's clock";
const KMS: &str = "KMS denies it: the key is disabled or missing, or these credentials lack kms:Decrypt, kms:Encrypt or kms:GenerateDataKey with it";
pub(crate) const fn invalid(context: &'static str) -> ProviderError {
    ProviderError::new(ErrorKind::Invalid, context)
}

pub(crate) const fn conflict(context: &'static str) -> ProviderError {
    ProviderError::new(ErrorKind::Conflict, context)
}

/// What AWS says of a call that it would have allowed.
pub(crate) fn passes<T>(asked: Result<T, ProviderError>) -> Result<(), ProviderError> {
    match asked {
        Ok(_) => Ok(()),
        Err(e) => match e.kind {
            ErrorKind::NotFound | ErrorKind::Invalid | ErrorKind::Conflict => Ok(()),
            _ => Err(e),
        },
    }
}
