//! Which right a denied call needs. The type of a call's error says which call it was.

use aws_sdk_secretsmanager::operation as secrets_manager;
use aws_sdk_ssm::operation as ssm;

/// A call that may be denied.
pub(crate) trait Lacks {
    /// What is told then.
    const LACKS: &'static str;
}

macro_rules! lacks {
    ($($error:path => $right:literal, $on:literal;)*) => {$(
        impl Lacks for $error {
            const LACKS: &'static str = concat!(
                "AWS denies it: the credentials lack a right, `", $right, "` on ", $on,
                " (`keyrota policy` prints all)"
            );
        }
    )*};
}

lacks! {
    secrets_manager::describe_secret::DescribeSecretError =>
        "secretsmanager:DescribeSecret", "the secret";
    secrets_manager::get_secret_value::GetSecretValueError =>
        "secretsmanager:GetSecretValue", "the secret";
    secrets_manager::create_secret::CreateSecretError =>
        "secretsmanager:CreateSecret", "a secret that is not there yet";
    secrets_manager::put_secret_value::PutSecretValueError =>
        "secretsmanager:PutSecretValue", "the secret";
    secrets_manager::update_secret_version_stage::UpdateSecretVersionStageError =>
        "secretsmanager:UpdateSecretVersionStage", "the secret";
    ssm::get_parameter::GetParameterError =>
        "ssm:GetParameter", "the parameter";
    ssm::get_parameter_history::GetParameterHistoryError =>
        "ssm:GetParameterHistory", "NAME or NAME/.keyrota/pending";
    ssm::put_parameter::PutParameterError =>
        "ssm:PutParameter", "NAME or NAME/.keyrota/pending";
    ssm::delete_parameter::DeleteParameterError =>
        "ssm:DeleteParameter", "NAME/.keyrota/pending and NAME/.keyrota/nothing";
    ssm::label_parameter_version::LabelParameterVersionError =>
        "ssm:LabelParameterVersion", "the parameter";
    ssm::unlabel_parameter_version::UnlabelParameterVersionError =>
        "ssm:UnlabelParameterVersion", "the parameter";
}
