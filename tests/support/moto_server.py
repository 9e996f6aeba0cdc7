"""moto's server, with policies that are enforced as AWS does for the two services of these tests.

moto looks at actions only: it takes every call of these services as one on "*", and its patterns know
no "?". Here the resource of a call, the conditions of a statement, and the rights on a key are looked
at too. A secret that is not there yet is one with some suffix. Whose a call is stays moto's to find out. And of two versions one is current.
"""

import json
import re
import sys

from moto.core.exceptions import JsonRESTError
from moto.iam import access_control
from moto.secretsmanager.models import FakeSecret
from moto.secretsmanager.responses import SecretsManagerResponse
from moto.server import main
from moto.ssm.responses import SimpleSystemManagerResponse

ACCOUNT = "123456789012"
ALIASES = {"alias/keyrota": "11111111-2222-3333-4444-555555555555"}


def of_secret(self):
    params = json.loads(self.body or "{}")
    name = params.get("SecretId") or params.get("Name") or "*"
    if name in self.backend.secrets:
        return self.backend.secrets[name].arn
    return f"arn:aws:secretsmanager:{self.region}:{ACCOUNT}:secret:{name}-AbCdEf"


def of_parameter(self):
    name = json.loads(self.body or "{}").get("Name") or "*"
    name = name.split(":")[0].lstrip("/")
    return f"arn:aws:ssm:{self.region}:{ACCOUNT}:parameter/{name}"


SecretsManagerResponse._determine_resource = of_secret
SimpleSystemManagerResponse._determine_resource = of_parameter


def matches(pattern, text):
    parts = {"*": ".*", "?": "."}
    return re.fullmatch("".join(parts.get(c, re.escape(c)) for c in pattern), text) is not None


def listed(value):
    return value if isinstance(value, list) else [value]


def holds(condition, context):
    for test, keys in condition.items():
        for key, wanted in keys.items():
            found = context.get(key, [])
            if test not in ("StringEquals", "ForAnyValue:StringEquals"):
                return False
            if not any(value in listed(wanted) for value in found):
                return False
    return True


def allowed(policies, action, resource, context):
    for policy in policies:
        document = access_control.IAMPolicy(policy)._policy_json
        for statement in listed(document["Statement"]):
            if (
                statement["Effect"] == "Allow"
                and any(matches(p, action) for p in listed(statement["Action"]))
                and any(matches(p, resource) for p in listed(statement["Resource"]))
                and holds(statement.get("Condition", {}), context)
            ):
                return True
    return False


def key_rights(action, params, tier_advanced):
    """What a call needs at KMS, as AWS writes it; only where a key of one's own is named."""
    if action in ("secretsmanager:CreateSecret", "secretsmanager:PutSecretValue"):
        return ["kms:GenerateDataKey", "kms:Decrypt"]
    if action == "secretsmanager:GetSecretValue":
        return ["kms:Decrypt"]
    if action == "ssm:PutParameter":
        return ["kms:GenerateDataKey"] if tier_advanced else ["kms:Encrypt"]
    if action in ("ssm:GetParameter", "ssm:GetParameterHistory") and params.get("WithDecryption"):
        return ["kms:Decrypt"]
    return []


# Which key a name was made with, as this server has seen it.
KEYS = {}


def deny(message):
    raise JsonRESTError("AccessDeniedException", message)


def check_action_permitted(self, resource):
    policies = self._access_key.collect_policies()
    who = self._access_key.arn
    action = self._action
    if not allowed(policies, action, resource, {}):
        deny(f"User: {who} is not authorized to perform: {action} on resource: {resource}")
    body = self._body if isinstance(self._body, str) else (self._body or b"").decode()
    params = json.loads(body) if body.startswith("{") else {}
    name = (params.get("SecretId") or params.get("Name") or "").split(":")[0]
    key = params.get("KmsKeyId") or params.get("KeyId") or KEYS.get(name)
    if not key or key.startswith("alias/aws/"):
        return  # a key of AWS' own lets everybody who may use the service
    service = action.split(":")[0]
    context = {"kms:ViaService": [f"{service}.{self._region}.amazonaws.com"]}
    if key in ALIASES:
        context["kms:ResourceAliases"] = [key]
    arn = f"arn:aws:kms:{self._region}:{ACCOUNT}:key/{ALIASES.get(key, key)}"
    for right in key_rights(action, params, params.get("Tier") == "Advanced"):
        if not allowed(policies, right, arn, context):
            deny(f"Access to KMS is not allowed: {right} on {arn}")
    if action in ("secretsmanager:CreateSecret", "ssm:PutParameter"):
        KEYS[name] = key


access_control.IAMRequestBase.check_action_permitted = check_action_permitted


def reset_default_version(self, secret_version, version_id):
    for known, version in self.versions.items():
        if "AWSCURRENT" in version["version_stages"]:
            self.default_version_id = known
    moved(self, secret_version, version_id)


# A label that was moved stays where it is when somebody puts the next value: then two have it.
moved = FakeSecret.reset_default_version
FakeSecret.reset_default_version = reset_default_version

if __name__ == "__main__":
    sys.exit(main())
