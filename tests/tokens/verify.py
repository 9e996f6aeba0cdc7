"""A program that signs and verifies tokens with PyJWT, and shares no code with keyrota.

Commands are lines of JSON on standard input, each answered by one on standard output. The keys come
as any program gets them: KEY, KID and KEY_FALLBACK in its environment, or a public set.
"""

import json
import os
import sys
import time

import jwt


def sign(alg, ttl):
    key, kid = os.environ["KEY"], os.environ["KID"]
    if key.startswith("{"):
        key = jwt.PyJWK.from_json(key)
        assert key.key_id == kid and key.algorithm_name == alg
    now = int(time.time())
    return jwt.encode({"iat": now, "exp": now + ttl}, key, alg, {"kid": kid})


def verify(alg, token, jwks):
    """"accepted", or the name of the reason why not."""
    verdict = "no such key"
    for key in keys(token, jwks):
        try:
            jwt.decode(token, key, [alg], {"require": ["iat", "exp"]})
            return "accepted"
        except jwt.InvalidTokenError as why:
            verdict = type(why).__name__
    return verdict


def keys(token, jwks):
    if jwks is None:
        found = map(os.environ.get, ["KEY", "KEY_FALLBACK"])
        return [key for key in found if key is not None]
    kid = jwt.get_unverified_header(token)["kid"]
    return [key for key in jwt.PyJWKSet.from_dict(jwks).keys if key.key_id == kid]


for line in sys.stdin:
    command = json.loads(line)
    run = {"sign": sign, "verify": verify}[command.pop("do")]
    print(json.dumps(run(**command)), flush=True)
