"""Key texts as programs and platforms produce them, and what two peers say about each.

Prints one JSON array: name, algorithm, format, text, openssl (null where OpenSSL has no say), pyjwt.
The keys are made anew in every run; the texts differ in their form only, so the verdicts do not.
"""

import base64
import datetime
import json
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import jwt
import jwt.algorithms
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509.oid import NameOID

warnings.simplefilter("ignore")
# The corpus is about forms: the primes of its RSA keys are sound, and proving that takes most of the time.
jwt.algorithms.load_pem_private_key = partial(load_pem_private_key, unsafe_skip_rsa_key_validation=True)
ROWS = []


def row(name, algorithm, form, text, key=None):
    ROWS.append({"name": name, "algorithm": algorithm, "format": form, "text": text, "key": key})


def openssl(*args, given=b""):
    done = subprocess.run(["openssl", *args], input=given, capture_output=True, check=True)
    return done.stdout.decode()


def private(key, form):
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def public(key, form=PublicFormat.SubjectPublicKeyInfo):
    return key.public_key().public_bytes(Encoding.PEM, form).decode()


def certificate(key):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "app")])
    start = datetime.datetime(2026, 1, 1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key.public_key()).serial_number(7)
    builder = builder.not_valid_before(start).not_valid_after(start.replace(year=2036))
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, digest).public_bytes(Encoding.PEM).decode()


def wrapped(pem, width):
    lines = pem.strip().split("\n")
    body = "".join(lines[1:-1])
    parts = [body[at : at + width] for at in range(0, len(body), width)]
    return "\n".join([lines[0], *parts, lines[-1]]) + "\n"


def layouts(pem, another, cert, pub):
    """The same PEM text as editors, panels and pipelines hand it on."""
    lines = pem.strip().split("\n")
    first, body, last = lines[0], lines[1:-1], lines[-1]

    def joined(top, middle, bottom):
        return "\n".join([top, *middle, bottom]) + "\n"

    yield "as made", pem
    yield "no line break at the end", pem.strip()
    for width in (76, 60, 48, 5, 100000):
        yield f"lines of {width}", wrapped(pem, width)
        yield f"lines of {width}, CRLF", wrapped(pem, width).replace("\n", "\r\n")
    yield "CRLF", pem.replace("\n", "\r\n")
    yield "CRLF, none at the end", pem.strip().replace("\n", "\r\n")
    yield "CR", pem.replace("\n", "\r")
    yield "LF then CR", pem.replace("\n", "\n\r")
    yield "CR CR LF", pem.replace("\n", "\r\r\n")
    yield "byte order mark", "\ufeff" + pem
    yield "empty lines before", "\n\n" + pem
    yield "empty CRLF lines before", "\r\n\r\n" + pem
    yield "a line of spaces before", "   \n" + pem
    yield "empty lines after", pem + "\n\n"
    yield "spaces after", pem + "  "
    yield "spaces before", "  " + pem
    for name, indent in (("spaces", "  "), ("tab", "\t"), ("no-break space", "\u00a0")):
        yield f"{name} before every line", "".join(indent + line + "\n" for line in lines)
        yield f"{name} before every line but the first", first + "\n" + "".join(
            indent + line + "\n" for line in lines[1:]
        )
        yield f"{name} before the body", joined(first, [indent + b for b in body], last)
        yield f"{name} before one line", joined(first, [indent + body[0], *body[1:]], last)
        yield f"{name} before the last line", joined(first, body, indent + last)
        yield f"{name} after every line", "".join(line + indent + "\n" for line in lines)
        yield f"{name} after the first line", joined(first + indent, body, last)
        yield f"{name} after the body", joined(first, [b + indent for b in body], last)
        yield f"{name} after the last line", joined(first, body, last + indent)
        yield f"{name} within a line", joined(first, [body[0][:9] + indent + body[0][9:], *body[1:]], last)
    yield "an empty line after the first", joined(first, ["", *body], last)
    yield "an empty line before the last", joined(first, [*body, ""], last)
    yield "an empty line within", joined(first, [body[0][:20], "", body[0][20:], *body[1:]], last)
    yield "a comment before", "# the signing key\n" + pem
    yield "a comment right before", "# the signing key: " + pem
    yield "a name before", "JWT_SIGNING_KEY=" + pem
    yield "a comment after", pem + "# made in 2024\n"
    yield "a comment right after", pem.strip() + " # made in 2024\n"
    yield "a comment within", joined(first, ["# comment", *body], last)
    yield "non-ASCII text before", "Schlüssel für Tokens\n" + pem
    yield "dashes before", "-----\n" + pem
    yield "a rule before", "----------------------------\n" + pem
    yield "bag attributes", "Bag Attributes\n    friendlyName: app\n    localKeyID: 01 02\nKey Attributes: <No Attributes>\n" + pem
    yield "subject and issuer", "subject=CN = app\n\nissuer=CN = app\n\n" + pem
    yield "a header", joined(first, ["Comment: app", "", *body], last)
    yield "a header without an empty line", joined(first, ["Comment: app", *body], last)
    yield "literal \\n", pem.replace("\n", "\\n")
    yield "literal \\n, none at the end", pem.strip().replace("\n", "\\n")
    yield "literal \\r\\n", pem.replace("\n", "\\r\\n")
    yield "joined by spaces", pem.strip().replace("\n", " ")
    yield "joined", pem.replace("\n", "")
    yield "body joined to the first line", first + "".join(body) + "\n" + last + "\n"
    yield "body joined to the last line", first + "\n" + "".join(body) + last + "\n"
    yield "double quotes", f'"{pem.strip()}"'
    yield "single quotes", f"'{pem.strip()}'"
    yield "typographic quotes", f"“{pem.strip()}”"
    yield "base64 of it", base64.b64encode(pem.encode()).decode()
    yield "base64 of it in lines", base64.encodebytes(pem.encode()).decode()
    yield "hex of it", pem.encode().hex()
    yield "only its body", "".join(body)
    yield "JSON string", json.dumps(pem)
    yield "YAML block", "key: |\n" + "".join("  " + line + "\n" for line in lines)
    yield "PEM in JSON", json.dumps({"key": pem})
    yield "certificate before", cert + pem
    yield "certificate after", pem + cert
    yield "certificate between texts", "subject=CN = app\n" + cert + "\n" + pem
    yield "public key before", pub + pem
    yield "public key after", pem + pub
    yield "twice", pem + pem
    yield "another key after", pem + another
    yield "another key before, broken", another.strip()[:-9] + "\n" + pem
    yield "a broken block after", pem + "-----BEGIN CERTIFICATE-----\nAAAA\n"
    yield "an unknown block before", "-----BEGIN THING-----\nAAAA\n-----END THING-----\n" + pem
    yield "an unknown block after", pem + "-----BEGIN THING-----\nAAAA\n-----END THING-----\n"
    yield "no last line", "\n".join([first, *body])
    yield "no first line", "\n".join([*body, last])
    yield "another last label", joined(first, body, "-----END THING-----")
    yield "cut", joined(first, body[:-1] or [body[0][:24]], last)
    yield "empty", joined(first, [], last)
    yield "lower case", joined(first.lower(), body, last.lower())
    yield "four dashes", joined(first[1:], body, last)
    yield "four dashes at the end", joined(first, body, last[:-1])
    yield "six dashes", joined("-" + first, body, last)
    yield "typographic dashes", pem.replace("-", "\u2013")
    yield "two spaces in the label", joined(first.replace(" ", "  "), body, last.replace(" ", "  "))
    yield "no padding", joined(first, [b.rstrip("=") for b in body], last)
    yield "too much padding", joined(first, [*body[:-1], body[-1] + "===="], last)
    yield "base64url", pem.replace("+", "-").replace("/", "_") if "+" in pem or "/" in pem else pem + "\u200b"
    yield "more after the padding", joined(first, [*body, "AAAA"], last)
    yield "a letter too many", joined(first, [body[0] + "A", *body[1:]], last)
    yield "a zero-width space", joined(first, ["\u200b" + body[0], *body[1:]], last)


def number(value, length=None):
    length = length or (value.bit_length() + 7) // 8
    return base64.urlsafe_b64encode(value.to_bytes(length, "big")).rstrip(b"=").decode()


def as_jwk(key):
    if isinstance(key, rsa.RSAPrivateKey):
        n = key.private_numbers()
        return {
            "kty": "RSA", "n": number(n.public_numbers.n), "e": number(n.public_numbers.e),
            "d": number(n.d), "p": number(n.p), "q": number(n.q),
            "dp": number(n.dmp1), "dq": number(n.dmq1), "qi": number(n.iqmp),
        }
    if isinstance(key, ec.EllipticCurvePrivateKey):
        n, size = key.private_numbers(), (key.key_size + 7) // 8
        curve = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}.get(key.curve.name, key.curve.name)
        return {
            "kty": "EC", "crv": curve, "x": number(n.public_numbers.x, size),
            "y": number(n.public_numbers.y, size), "d": number(n.private_value, size),
        }
    raw = lambda b: base64.urlsafe_b64encode(b).rstrip(b"=").decode()
    return {
        "kty": "OKP", "crv": {"Ed25519PrivateKey": "Ed25519", "Ed448PrivateKey": "Ed448"}.get(type(key).__name__, "X25519"),
        "x": raw(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)),
        "d": raw(key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())),
    }


def jwks(key, algorithm):
    jwk = as_jwk(key)
    secret = {"d", "p", "q", "dp", "dq", "qi"}
    full = {**jwk, "kid": "prod-2023-04", "alg": algorithm, "use": "sig"}
    yield "bare", json.dumps(jwk)
    yield "with kid, alg and use", json.dumps(full)
    yield "indented", json.dumps(full, indent=2)
    yield "CRLF", json.dumps(full, indent=2).replace("\n", "\r\n")
    yield "members sorted", json.dumps(full, sort_keys=True)
    yield "space around", f" \n{json.dumps(jwk)}\n"
    yield "byte order mark", "\ufeff" + json.dumps(jwk)
    yield "single quotes around", f"'{json.dumps(jwk)}'"
    yield "as a JSON string", json.dumps(json.dumps(jwk))
    yield "base64 of it", base64.b64encode(json.dumps(jwk).encode()).decode()
    yield "in a set", json.dumps({"keys": [jwk]})
    yield "in an array", json.dumps([jwk])
    yield "text after", json.dumps(jwk) + " # key"
    yield "comma at the end", json.dumps(jwk)[:-1] + ",}"
    yield "cut", json.dumps(jwk)[:-20]
    yield "a member of the issuer's", json.dumps({**jwk, "iat": 1700000000, "x5c": ["AAAA"]})
    for name, value in (("kid", ""), ("kid", "k" * 256), ("kid", "k" * 257), ("kid", 7), ("kid", None), ("kid", "a b"),
                        ("use", "enc"), ("use", "sign"), ("alg", "HS256"), ("alg", "RS512"), ("alg", "PS256"), ("alg", ""),
                        ("alg", "Ed25519"), ("key_ops", ["sign"]), ("key_ops", ["verify"]), ("key_ops", "sign"),
                        ("kty", "oct"), ("kty", "rsa"), ("crv", "P-521"), ("oth", []), ("ext", True), ("d", ""), ("d", 7)):
        yield f"{name} is {json.dumps(value)[:20]}", json.dumps({**jwk, name: value})
    for name in jwk:
        yield f"without {name}", json.dumps({k: v for k, v in jwk.items() if k != name})
        yield f"{name} with padding", json.dumps({**jwk, name: jwk[name] + "="})
        yield f"{name} in base64", json.dumps({**jwk, name: jwk[name].replace("-", "+").replace("_", "/") + "+"})
        yield f"{name} cut", json.dumps({**jwk, name: jwk[name][:-6]})
        yield f"{name} twice", json.dumps(jwk)[:-1] + f', "{name}": "{jwk[name]}"}}'
        yield f"{name} with a line break", json.dumps({**jwk, name: jwk[name] + "\n"})
        if name not in ("kty", "crv"):
            raw = base64.urlsafe_b64decode(jwk[name] + "==")
            longer = base64.urlsafe_b64encode(b"\0" + raw).rstrip(b"=").decode()
            yield f"{name} with a leading zero", json.dumps({**jwk, name: longer})
    yield "without its primes", json.dumps({k: v for k, v in jwk.items() if k not in secret - {"d"}})
    yield "only public", json.dumps({k: v for k, v in jwk.items() if k not in secret})


def main():
    trad, p8 = PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8
    r2048 = rsa.generate_private_key(65537, 2048)
    r2048b = rsa.generate_private_key(65537, 2048)
    r3072, r4096 = rsa.generate_private_key(65537, 3072), rsa.generate_private_key(65537, 4096)
    r1024, e3 = rsa.generate_private_key(65537, 1024), rsa.generate_private_key(3, 2048)
    p256, p256b = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ed, edb = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
    others = {
        "P-384": ec.generate_private_key(ec.SECP384R1()), "P-521": ec.generate_private_key(ec.SECP521R1()),
        "secp256k1": ec.generate_private_key(ec.SECP256K1()), "RSA 1024": r1024,
        "Ed448": ed448.Ed448PrivateKey.generate(), "X25519": x25519.X25519PrivateKey.generate(),
    }
    params = openssl("ecparam", "-name", "prime256v1")
    sec1 = private(p256, trad)
    whole = [
        ("RSA 2048 PKCS #8", "RS256", r2048, private(r2048, p8), private(r2048b, p8)),
        ("RSA 2048 PKCS #1", "RS256", r2048, private(r2048, trad), private(r2048b, trad)),
        ("P-256 PKCS #8", "ES256", p256, private(p256, p8), private(p256b, p8)),
        ("P-256 SEC 1", "ES256", p256, sec1, private(p256b, trad)),
        ("P-256 of openssl ecparam", "ES256", p256, params + sec1, private(p256b, trad)),
        ("Ed25519 PKCS #8", "EdDSA", ed, private(ed, p8), private(edb, p8)),
    ]
    for name, algorithm, key, pem, another in whole:
        head, pem = (params, sec1) if pem.startswith(params) else ("", pem)
        for layout, text in layouts(pem, another, certificate(key), public(key)):
            row(f"{name}, {layout}", algorithm, "pem", head + text, key)
        if head:
            row(f"{name}, CRLF in all", algorithm, "pem", (params + pem).replace("\n", "\r\n"), key)
            row(f"{name}, parameters after", algorithm, "pem", pem + params, key)

    # Containers of one key, and keys of other kinds, for every algorithm.
    containers = []
    for name, key in [("RSA 2048", r2048), ("RSA 3072", r3072), ("RSA 4096", r4096), ("RSA e=3", e3), ("P-256", p256), ("Ed25519", ed), *others.items()]:
        containers.append((f"{name} PKCS #8", key, private(key, p8)))
        containers.append((f"{name} public", key, public(key)))
        secret = BestAvailableEncryption(b"passphrase")
        containers.append((f"{name} encrypted PKCS #8", key, key.private_bytes(Encoding.PEM, p8, secret).decode()))
        containers.append((f"{name} DER in base64", key, base64.b64encode(key.private_bytes(Encoding.DER, p8, NoEncryption())).decode()))
        containers.append((f"{name} public DER in base64", key, base64.b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()))
        containers.append((f"{name} public DER in hex", key, key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex()))
        if isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
            containers.append((f"{name} traditional", key, private(key, trad)))
            containers.append((f"{name} encrypted traditional", key, key.private_bytes(Encoding.PEM, trad, secret).decode()))
        if isinstance(key, rsa.RSAPrivateKey):
            containers.append((f"{name} public PKCS #1", key, public(key, PublicFormat.PKCS1)))
        if name not in ("secp256k1", "Ed448", "X25519"):
            containers.append((f"{name} OpenSSH", key, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()))
            ssh = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
            containers.append((f"{name} OpenSSH public", key, ssh + " me@host"))
            containers.append((f"{name} certificate", key, certificate(key)))
            p12 = pkcs12.serialize_key_and_certificates(b"app", key, x509.load_pem_x509_certificate(certificate(key).encode()), None, NoEncryption())
            for flags in (["-nocerts"], [], ["-nokeys"]):
                text = openssl("pkcs12", "-nodes", "-passin", "pass:", *flags, given=p12)
                containers.append((f"{name} PKCS #12 export {' '.join(flags)}", key, text))
            containers.append((f"{name} PKCS #12 in base64", key, base64.b64encode(p12).decode()))
        text = openssl("pkey", "-text", given=private(key, p8).encode())
        containers.append((f"{name} with its text", key, text))
    pss = openssl("genpkey", "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048")
    containers.append(("RSA-PSS PKCS #8", r2048, pss))
    for name, args in {
        "explicit": ["-param_enc", "explicit"], "without public": ["-no_public"],
        "compressed": ["-conv_form", "compressed"], "hybrid": ["-conv_form", "hybrid"],
    }.items():
        text = openssl("ec", *args, given=sec1.encode())
        containers.append((f"P-256 SEC 1 {name}", p256, text))
        containers.append((f"P-256 PKCS #8 {name}", p256, openssl("pkcs8", "-topk8", "-nocrypt", given=text.encode())))
    containers.append(("parameters alone", p256, params))
    containers.append(("nothing", p256, "\n"))
    for name, key, text in containers:
        for algorithm in ("RS256", "ES256", "EdDSA"):
            row(f"{name} for {algorithm}", algorithm, "pem", text, key)

    for name, algorithm, key in [("RSA", "RS256", r2048), ("P-256", "ES256", p256), ("Ed25519", "EdDSA", ed)]:
        for form, text in jwks(key, algorithm):
            row(f"{name} JWK, {form}", algorithm, "jwk", text, key)
        row(f"{name} PEM as JWK", algorithm, "jwk", private(key, p8), key)
        row(f"{name} JWK as PEM", algorithm, "pem", json.dumps(as_jwk(key)), key)
    for name, key in others.items():
        for algorithm in ("RS256", "ES256", "EdDSA"):
            row(f"{name} JWK for {algorithm}", algorithm, "jwk", json.dumps(as_jwk(key)), key)

    # Where a symmetric key belongs: whatever holds or is half of a pair is no such key.
    drawn = "mK7qX2vR9tLw4YpZ8sNc3HbJ6gDf5aQe-1uT_0iVoEk"
    for name, text in (("drawn", drawn), ("drawn, in hex", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
                       ("drawn, with a line break within", drawn[:20] + "\n" + drawn[20:]), ("drawn, with a tab within", drawn[:20] + "\t" + drawn[20:]),
                       ("drawn, with a line break", drawn + "\n"), ("drawn, with a space", " " + drawn), ("short", drawn[:20]),
                       ("drawn, in standard base64", base64.b64encode(hashes.SHA512().name.encode() + drawn.encode()).decode())):
        row(f"{name} for HS256", "HS256", "raw", text)
    for name, _, text in containers:
        if text.strip():
            row(f"{name} for HS256", "HS256", "raw", text)
    for key in (r2048, p256, ed):
        kind = type(key).__name__
        for what, pem in (("private", private(key, p8)), ("public", public(key)), ("certificate", certificate(key))):
            for layout, text in layouts(pem, pem, certificate(key), public(key)):
                row(f"{kind} {what}, {layout} for HS256", "HS256", "raw", text)
        for form, text in jwks(key, "HS256"):
            row(f"{kind} JWK, {form} for HS256", "HS256", "raw", text)

    with ThreadPoolExecutor(2) as pool:
        verdicts = pool.map(by_openssl, ROWS)
        for one, verdict in zip(ROWS, verdicts):
            one["openssl"], one["pyjwt"] = verdict, by_pyjwt(one)
            del one["key"]
    json.dump(ROWS, sys.stdout)


KINDS = {"RS256": "2 primes", "ES256": "NIST CURVE: P-256", "EdDSA": "ED25519 Private-Key"}
KNOWN = {}


def by_openssl(one):
    if one["format"] != "pem":
        return None
    if one["text"] not in KNOWN:
        command = ["openssl", "pkey", "-noout", "-text", "-passin", "pass:"]
        done = subprocess.run(command, input=one["text"].encode(), capture_output=True)
        KNOWN[one["text"]] = done.stdout.decode() if done.returncode == 0 else ""
    return KINDS[one["algorithm"]] in KNOWN[one["text"]]


def by_pyjwt(one):
    key, algorithm, text = one["key"], one["algorithm"], one["text"]
    try:
        if one["format"] == "jwk":
            given = jwt.PyJWK.from_json(text)
            if given.algorithm_name != algorithm:
                return False
            given = given.key
        else:
            given = text
        token = jwt.encode({"a": 1}, given, algorithm=algorithm)
        checks = key.public_key() if key else text
        jwt.decode(token, checks, algorithms=[algorithm])
        return True
    except Exception:  # a peer may refuse in any way
        return False


main()
