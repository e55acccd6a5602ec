"""A corpus of secrets, personal data and decoys, made at run time from the formats that providers document.

Nothing in it is anybody's, and nothing of it stands in this file in one piece: code hosts refuse what looks like a key.
"""

from __future__ import annotations

import base64
import json
import random
import string
import uuid
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

__all__ = ["DECOYS", "NAMED", "PERSONAL", "SELF_EVIDENT", "Sample", "decoys", "personal", "secrets"]

SEED = 20260221
HEX = "0123456789abcdef"
ALNUM = string.ascii_letters + string.digits
LOWER = string.ascii_lowercase + string.digits
UPPER = string.ascii_uppercase + string.digits
URL = ALNUM + "-_"
B64 = ALNUM + "+/"

Make = Callable[[random.Random], str]


class Sample(NamedTuple):
    """A value in a context. `core` is what must not be left of it."""

    kind: str
    context: str
    value: Any
    core: str


def run(alphabet: str, count: int) -> Make:
    """So many characters."""
    return lambda rng: "".join(rng.choice(alphabet) for _ in range(count))


def form(*parts: str | Make) -> Make:
    """Fixed and random parts, one after the other."""
    return lambda rng: "".join(part if isinstance(part, str) else part(rng) for part in parts)


def guid(rng: random.Random) -> str:
    """A UUID of version 4."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def encoded(value: Any) -> str:
    """Unpadded URL-safe base64 of JSON, as in tokens."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def jwt(rng: random.Random) -> str:
    """RFC 7519."""
    claims = {"sub": run(LOWER, 12)(rng), "iat": rng.randrange(10**9), "exp": 2 * 10**9}
    return f"{encoded({'alg': 'RS256', 'kid': run(HEX, 8)(rng)})}.{encoded(claims)}.{run(URL, 86)(rng)}"


def pem(label: str) -> Make:
    """RFC 7468."""

    def make(rng: random.Random) -> str:
        lines = "\n".join(run(B64, 64)(rng) for _ in range(6))
        return f"-----BEGIN {label}-----\n{lines}\n{run(B64, 22)(rng)}==\n-----END {label}-----"

    return make


SELF_EVIDENT: dict[str, Make] = {
    "AWS access key id": form("AKIA", run(string.ascii_uppercase + "234567", 16)),
    "AWS temporary key id": form("ASIA", run(string.ascii_uppercase + "234567", 16)),
    "AWS session token": form("IQoJb3JpZ2lu", run(B64, 300), "=="),
    "AWS Bedrock key": form("ABSK", run(B64, 128)),
    "Google API key": form("AIza", run(URL, 35)),
    "Google OAuth token": form("ya29.a0", run(URL, 120)),
    "Google client secret": form("GOCSPX-", run(URL, 28)),
    "Google refresh token": form("1//0", run(URL, 100)),
    "Firebase messaging key": form("AAAA", run(URL, 7), ":APA91b", run(URL, 134)),
    "Azure AD client secret": form(run(ALNUM, 3), "8Q~", run(ALNUM + "_.~-", 33), "k"),
    "Azure DevOps token": form(run(ALNUM, 76), "AZDO", run(ALNUM, 4)),
    "GitHub personal token": form("ghp_", run(ALNUM, 36)),
    "GitHub OAuth token": form("gho_", run(ALNUM, 36)),
    "GitHub user token": form("ghu_", run(ALNUM, 36)),
    "GitHub server token": form("ghs_", run(ALNUM, 36)),
    "GitHub refresh token": form("ghr_", run(ALNUM, 76)),
    "GitHub fine-grained token": form("github_pat_", run(ALNUM, 22), "_", run(ALNUM, 59)),
    "GitLab personal token": form("glpat-", run(URL, 19), "a"),
    "GitLab deploy token": form("gldt-", run(URL, 19), "a"),
    "GitLab runner token": form("glrt-", run(URL, 19), "a"),
    "Slack bot token": form("xoxb-", run(string.digits, 12), "-", run(string.digits, 13), "-", run(ALNUM, 24)),
    "Slack user token": form("xoxp-", run(string.digits, 12), "-", run(string.digits, 12), "-", run(HEX, 32)),
    "Slack app token": form("xapp-1-A", run(UPPER, 10), "-", run(string.digits, 13), "-", run(HEX, 64)),
    "Slack webhook": form(
        "https://hooks.slack.com/services/T", run(UPPER, 8), "/B", run(UPPER, 10), "/", run(ALNUM, 24)
    ),
    "Stripe secret key": form("sk_live_", run(ALNUM, 24)),
    "Stripe test key": form("sk_test_", run(ALNUM, 99)),
    "Stripe restricted key": form("rk_live_", run(ALNUM, 24)),
    "Stripe webhook secret": form("whsec_", run(ALNUM, 32)),
    "OpenAI key": form("sk-", run(ALNUM, 20), "T3BlbkFJ", run(ALNUM, 20)),
    "OpenAI project key": form("sk-proj-", run(URL, 74), "T3BlbkFJ", run(URL, 73), "A"),
    "OpenAI service key": form("sk-svcacct-", run(URL, 74), "T3BlbkFJ", run(URL, 73), "A"),
    "OpenAI admin key": form("sk-admin-", run(URL, 74), "T3BlbkFJ", run(URL, 73), "A"),
    "Anthropic key": form("sk-ant-api03-", run(URL, 93), "AA"),
    "Anthropic admin key": form("sk-ant-admin01-", run(URL, 93), "AA"),
    "OpenRouter key": form("sk-or-v1-", run(HEX, 64)),
    "DeepSeek key": form("sk-", run(HEX, 32)),
    "Groq key": form("gsk_", run(ALNUM, 52)),
    "xAI key": form("xai-", run(ALNUM, 80)),
    "Perplexity key": form("pplx-", run(ALNUM, 48)),
    "Replicate token": form("r8_", run(ALNUM, 37)),
    "NVIDIA key": form("nvapi-", run(URL, 63), "a"),
    "Hugging Face token": form("hf_", run(string.ascii_letters, 34)),
    "LangSmith key": form("lsv2_pt_", run(HEX, 32), "_", run(HEX, 10)),
    "LangSmith service key": form("lsv2_sk_", run(HEX, 32), "_", run(HEX, 10)),
    "Langfuse secret key": form("sk-lf-", guid),
    "Langfuse public key": form("pk-lf-", guid),
    "Pinecone key": form("pcsk_", run(ALNUM, 6), "_", run(ALNUM, 60)),
    "Tavily key": form("tvly-", run(ALNUM, 32)),
    "ElevenLabs key": form("sk_", run(HEX, 48)),
    "Twilio API key": form("SK", run(HEX, 32)),
    "Twilio account": form("AC", run(HEX, 32)),
    "SendGrid key": form("SG.", run(URL, 22), ".", run(URL, 42), "a"),
    "Mailgun key": form("key-", run(HEX, 32)),
    "Mailchimp key": form(run(HEX, 32), "-us12"),
    "Brevo key": form("xkeysib-", run(HEX, 64), "-", run(ALNUM, 16)),
    "npm token": form("npm_", run(ALNUM, 36)),
    "PyPI token": form("pypi-AgEIcHlwaS5vcmc", run(URL, 130), "A"),
    "RubyGems key": form("rubygems_", run(HEX, 48)),
    "Docker Hub token": form("dckr_pat_", run(URL, 26), "a"),
    "DigitalOcean token": form("dop_v1_", run(HEX, 64)),
    "Heroku key": form("HRKU-AA", run(URL, 58), "a"),
    "Shopify token": form("shpat_", run(HEX, 32)),
    "Shopify secret": form("shpss_", run(HEX, 32)),
    "Square token": form("sq0atp-", run(URL, 21), "a"),
    "Square secret": form("sq0csp-", run(URL, 42), "a"),
    "Braintree token": form("access_token$production$", run(LOWER, 16), "$", run(HEX, 32)),
    "Discord bot token": form("M", run(ALNUM, 23), ".", run(URL, 6), ".", run(URL, 37), "a"),
    "Discord webhook": form("https://discord.com/api/webhooks/", run(string.digits, 18), "/", run(URL, 67), "a"),
    "Telegram token": form(run("123456789", 10), ":AA", run(URL, 32), "a"),
    "New Relic key": form("NRAK-", run(UPPER, 27)),
    "New Relic license key": form(run(HEX, 36), "FFFFNRAL"),
    "Sentry DSN": form("https://", run(HEX, 32), "@o", run("123456789", 6), ".ingest.sentry.io/", run("123456789", 7)),
    "Sentry token": form("sntryu_", run(HEX, 64)),
    "Grafana token": form("glsa_", run(ALNUM, 32), "_", run(HEX, 8)),
    "Dynatrace token": form("dt0c01.", run(UPPER, 24), ".", run(UPPER, 64)),
    "Linear key": form("lin_api_", run(ALNUM, 40)),
    "Notion token": form("ntn_", run(ALNUM, 46)),
    "Notion secret": form("secret_", run(ALNUM, 43)),
    "Airtable token": form("pat", run(ALNUM, 14), ".", run(HEX, 64)),
    "Asana token": form("1/", run("123456789", 16), ":", run(HEX, 32)),
    "Atlassian token": form("ATATT3xFfGF0", run(URL, 170), "=", run(UPPER, 8)),
    "HubSpot token": form("pat-na1-", guid),
    "Databricks token": form("dapi", run(HEX, 32)),
    "Vault token": form("hvs.", run(URL, 90), "a"),
    "Terraform token": form(run(ALNUM, 14), ".atlasv1.", run(URL, 66), "a"),
    "Doppler token": form("dp.pt.", run(ALNUM, 43)),
    "Supabase token": form("sbp_", run(HEX, 40)),
    "Supabase secret": form("sb_secret_", run(URL, 30), "a"),
    "Vercel token": form("vcp_", run(ALNUM, 56)),
    "Cloudflare origin key": form("v1.0-", run(HEX, 24), "-", run(HEX, 146)),
    "Netlify token": form("nfp_", run(ALNUM, 36)),
    "Postman key": form("PMAK-", run(HEX, 24), "-", run(HEX, 34)),
    "Figma token": form("figd_", run(URL, 42), "a"),
    "1Password token": form("ops_eyJ", run(B64, 250)),
    "Contentful token": form("CFPAT-", run(URL, 42), "a"),
    "Pulumi token": form("pul-", run(HEX, 40)),
    "PlanetScale token": form("pscale_tkn_", run(ALNUM, 43)),
    "SonarQube token": form("squ_", run(HEX, 40)),
    "Tailscale key": form("tskey-auth-", run(ALNUM, 12), "CNTRL-", run(ALNUM, 32)),
    "Buildkite token": form("bkua_", run(HEX, 40)),
    "age key": form("AGE-SECRET-KEY-1", run(UPPER, 58)),
    "JWT": jwt,
    "RSA private key": pem("RSA PRIVATE KEY"),
    "EC private key": pem("EC PRIVATE KEY"),
    "OpenSSH private key": pem("OPENSSH PRIVATE KEY"),
    "PKCS #8 private key": pem("PRIVATE KEY"),
    "PGP private key": pem("PGP PRIVATE KEY BLOCK"),
    "Postgres connection": form("postgresql://app:", run(ALNUM, 16), "@db.internal:5432/shop"),
    "MySQL connection": form("mysql://root:", run(ALNUM, 12), "@10.0.0.5/shop"),
    "Mongo connection": form("mongodb+srv://svc:", run(ALNUM, 18), "@cluster0.abcde.mongodb.net/?retryWrites=true"),
    "Redis connection": form("rediss://:", run(ALNUM, 24), "@cache.internal:6380/0"),
    "AMQP connection": form("amqps://svc:", run(ALNUM, 14), "@mq.internal/vhost"),
    "Snowflake connection": form("snowflake://svc:", run(ALNUM, 14), "@xy12345.eu-west-1/db"),
    "Azure storage connection": form(
        "DefaultEndpointsProtocol=https;AccountName=shop;AccountKey=",
        run(B64, 86),
        "==;EndpointSuffix=core.windows.net",
    ),
    "Azure SAS": form("https://shop.blob.core.windows.net/c?sv=2024-11-04&se=2026-01-01&sig=", run(ALNUM, 43), "%3D"),
    "ODBC connection": form("Server=tcp:db,1433;Uid=svc;Password=", run(ALNUM, 15), ";Encrypt=yes"),
}
"""Known by their form alone."""

NAMED: dict[str, tuple[str, Make]] = {
    "AWS secret key": ("aws_secret_access_key", run(B64, 40)),
    "Azure OpenAI key": ("AZURE_OPENAI_API_KEY", run(HEX, 32)),
    "Cohere key": ("COHERE_API_KEY", run(ALNUM, 40)),
    "Mistral key": ("mistral_api_key", run(ALNUM, 32)),
    "Datadog key": ("DD_API_KEY", run(HEX, 32)),
    "Datadog application key": ("DD_APPLICATION_KEY", run(HEX, 40)),
    "Twilio auth token": ("twilio_auth_token", run(HEX, 32)),
    "Heroku uuid key": ("HEROKU_API_KEY", guid),
    "Cloudflare key": ("CLOUDFLARE_API_TOKEN", run(URL, 40)),
    "Okta token": ("okta_api_token", form("00", run(URL, 40))),
    "Auth0 secret": ("client_secret", run(URL, 64)),
    "PayPal secret": ("paypal_client_secret", form("E", run(URL, 79))),
    "Algolia key": ("algolia_admin_api_key", run(HEX, 32)),
    "password": ("password", form(run(ALNUM, 10), "!", run(string.digits, 2))),
    "database password": ("db_password", run(ALNUM, 14)),
    "session token": ("session_token", run(URL, 48)),
    "refresh token": ("refresh_token", run(URL, 64)),
    "webhook secret": ("webhook_secret", run(HEX, 40)),
    "signing key": ("signing_key", run(B64, 44)),
    "encryption key": ("encryption_key", run(B64, 43)),
}
"""Known by the name of their field, because their form is that of many other things."""


def luhn(digits: str) -> str:
    """The digits with their check digit (ISO/IEC 7812-1)."""
    total = sum(sum(divmod(int(digit) * (2 - index % 2), 10)) for index, digit in enumerate(reversed(digits)))
    return f"{digits}{-total % 10}"


def card(prefix: str, length: int) -> Make:
    """A card number of an issuer."""
    return lambda rng: luhn(prefix + run(string.digits, length - len(prefix) - 1)(rng))


def iban(country: str, bban: Make) -> Make:
    """ISO 13616."""

    def make(rng: random.Random) -> str:
        account = bban(rng)
        digits = "".join(str(int(each, 36)) for each in f"{account}{country}00")
        return f"{country}{98 - int(digits) % 97:02}{account}"

    return make


def ssn(rng: random.Random) -> str:
    """An area, a group and a serial number that can be given."""
    area = rng.choice([number for number in range(1, 900) if number != 666])
    return f"{area:03}-{rng.randrange(1, 100):02}-{rng.randrange(1, 10000):04}"


def grouped(make: Make) -> Make:
    """In groups of four."""

    def spaced(rng: random.Random) -> str:
        digits = make(rng)
        return " ".join(digits[start : start + 4] for start in range(0, len(digits), 4))

    return spaced


def nanp(layout: str) -> Make:
    """A number of North America."""
    return lambda rng: layout.format(
        rng.choice([212, 312, 415, 617, 702, 808, 916]), rng.randrange(200, 555), rng.randrange(1000, 10000)
    )


def ipv4(rng: random.Random) -> str:
    """A public address."""
    first = rng.choice([23, 52, 81, 93, 151, 185, 203])
    return f"{first}.{rng.randrange(20, 250)}.{rng.randrange(1, 250)}.{rng.randrange(1, 250)}"


PERSONAL: dict[str, Make] = {
    "e-mail": form(
        run(string.ascii_lowercase, 6), ".", run(string.ascii_lowercase, 7), "@", run(string.ascii_lowercase, 8), ".com"
    ),
    "e-mail with plus": form(run(string.ascii_lowercase, 6), "+shop@", run(string.ascii_lowercase, 8), ".co.uk"),
    "Visa": card("4", 16),
    "Visa in groups": grouped(card("4", 16)),
    "Mastercard": card("53", 16),
    "Mastercard of the second series": card("2345", 16),
    "American Express": card("37", 15),
    "Discover": card("6011", 16),
    "Diners Club": card("36", 14),
    "JCB": card("3530", 16),
    "IBAN of Germany": iban("DE", run(string.digits, 18)),
    "IBAN in groups": grouped(iban("DE", run(string.digits, 18))),
    "IBAN of the United Kingdom": iban("GB", form("NWBK", run(string.digits, 14))),
    "IBAN of France": iban("FR", run(string.digits, 23)),
    "SSN": ssn,
    "phone with country code": form("+49 30 ", run("123456789", 8)),
    "phone in E.164": form("+44 20 7", run("123456789", 3), " ", run("123456789", 4)),
    "phone of the US": nanp("({}) {}-{}"),
    "phone with dashes": nanp("{}-{}-{}"),
    "phone with dots": nanp("{}.{}.{}"),
    "phone with one": nanp("+1{}{}{}"),
    "IPv4": ipv4,
    "IPv6": form(
        "2a02:8108:", run("123456789abcdef", 4), ":", run("123456789abcdef", 4), "::", run("123456789abcdef", 4)
    ),
}
"""Personal data of a form of its own."""

DECOYS: dict[str, Make] = {
    "uuid": guid,
    "sha256": run(HEX, 64),
    "digest": form("sha256:", run(HEX, 64)),
    "git sha": run(HEX, 40),
    "short git sha": run(HEX, 7),
    "md5": run(HEX, 32),
    "trace id": run(HEX, 32),
    "span id": run(HEX, 16),
    "OpenAI call id": form("call_", run(ALNUM, 24)),
    "Anthropic call id": form("toolu_01", run(ALNUM, 22)),
    "Anthropic message id": form("msg_01", run(ALNUM, 22)),
    "chat completion id": form("chatcmpl-", run(ALNUM, 29)),
    "response id": form("resp_", run(HEX, 48)),
    "thread id": form("thread_", run(ALNUM, 24)),
    "run id": form("run-", guid),
    "LangChain message id": form("lc_run--", guid),
    "Stripe object": form("ch_3", run(ALNUM, 23)),
    "Stripe customer": form("cus_", run(ALNUM, 14)),
    "order": form("A-", run(string.digits, 4)),
    "order with prefix": form("ORD-", run(string.digits, 8)),
    "order of Amazon": form(run("123456789", 3), "-", run(string.digits, 7), "-", run(string.digits, 7)),
    "long order": form("order 4", run(string.digits, 15)),
    "tracking number": form("1Z", run(UPPER, 16)),
    "reservation": run(UPPER, 6),
    "flight": form("HAT", run(string.digits, 3)),
    "certificate": form("certificate_", run("123456789", 7)),
    "amount": form("$", run("123456789", 3), ".", run(string.digits, 2)),
    "amount in thousands": form(run("123456789", 1), ",", run(string.digits, 3), ",", run(string.digits, 3), ".00"),
    "ISO time": form(
        "2026-02-1", run("123456789", 1), "T09:1", run(string.digits, 1), ":05.", run(string.digits, 6), "Z"
    ),
    "ISO time with offset": form("2026-02-1", run("123456789", 1), "T09:12:0", run(string.digits, 1), "+01:00"),
    "epoch": form("17", run(string.digits, 8)),
    "epoch in milliseconds": form("17", run(string.digits, 11)),
    "epoch in nanoseconds": form("17", run(string.digits, 17)),
    "snowflake": form("1", run(string.digits, 17)),
    "date": form("2026-0", run("123456789", 1), "-1", run(string.digits, 1)),
    "version": form(run("123456789", 1), ".", run(string.digits, 2), ".", run(string.digits, 1)),
    "version of four parts": form(
        "version 1.", run("123456789", 2), ".", run("123456789", 1), ".", run("123456789", 3)
    ),
    "browser": form("Chrome/1", run(string.digits, 2), ".0.0.0"),
    "private IP": form("10.0.", run("123456789", 2), ".", run("123456789", 2)),
    "loopback": form("127.0.0.1:", run("123456789", 4)),
    "model": form("gpt-4o-2024-08-0", run("123456789", 1)),
    "Claude model": form("claude-3-5-sonnet-2024102", run("123456789", 1)),
    "Bedrock model": form("anthropic.claude-3-5-sonnet-20240620-v1:", run(string.digits, 1)),
    "fine-tuned model": form("ft:gpt-4o-mini:acme::", run(ALNUM, 8)),
    "image": lambda rng: base64.b64encode(b"\x89PNG\r\n\x1a\n" + rng.randbytes(300)).decode(),
    "embedding": lambda rng: json.dumps([round(rng.uniform(-1, 1), 9) for _ in range(12)]),
    "package": form("react@18.", run(string.digits, 1), ".", run(string.digits, 1)),
    "repository": form("git@github.com:acme/shop-", run(string.ascii_lowercase, 4), ".git"),
    "retina image": form("logo-", run(string.ascii_lowercase, 4), "@2x.png"),
    "decorator": form("@app.route('/", run(string.ascii_lowercase, 6), "')"),
    "URL": form("https://shop.test/orders/", run("123456789", 6), "?page=2&sort=created_at"),
    "placeholder key": lambda rng: rng.choice(
        ["sk-...", "YOUR_API_KEY", "<token>", "${API_KEY}", "xxxxxxxxxxxx", "***", "sk-your-key-here"]
    ),
    "dimensions": form(run("123456789", 4), "x", run("123456789", 4)),
    "ISBN": form("978-3-16-1484", run(string.digits, 2), "-", run(string.digits, 1)),
    "coordinates": form("52.52", run(string.digits, 4), ", 13.40", run(string.digits, 4)),
    "time span": form("09:", run("12345", 1), "0-10:00"),
    "percentage": form(run("123456789", 2), ".", run(string.digits, 2), "%"),
    "kebab words": lambda rng: "task-force-" + "-".join(run(string.ascii_lowercase, 6)(rng) for _ in range(3)),
    "snake words": lambda rng: "get_user_" + "_".join(run(string.ascii_lowercase, 6)(rng) for _ in range(3)),
    "page token": form('{"next_page_token": "', run(ALNUM, 24), '"}'),
    "token count": form('{"prompt_tokens": ', run("123456789", 4), ', "max_tokens": 100}'),
    "prose about secrets": lambda rng: rng.choice(
        [
            "The password is wrong.",
            "Enter your API key: it is under Settings.",
            "Your token is about to expire.",
            "A secret: kindness matters.",
            "The bearer of this note is trusted.",
            "Basic understanding of authentication",
        ]
    ),
}
"""What must stay as it is."""


def _contexts(value: str, name: str | None) -> Iterator[tuple[str, Any]]:
    field = name or "value"
    if name is None:
        yield "bare", value
        yield "sentence", f"I used {value} and it failed, sorry."
        yield "query", f"https://api.shop.test/v1/x?page=2&u={quote(value, safe='')}&n=1"
        yield "header", {"headers": {"X-Shop": value}}
        yield (
            "traceback",
            (
                'Traceback (most recent call last):\n  File "/app/shop.py", line 12, in call\n'
                f'    client.get("{value}")\n'
                f"shop.errors.ShopError: 401 for {value}"
            ),
        )
        yield "list", ["a", [value, 3]]
        yield "in base64", "data " + base64.b64encode(json.dumps({"value": value}).encode()).decode()
    else:
        yield "environment", f"export {name}={value}"
        yield "query", f"https://api.shop.test/v1/x?page=2&{name}={quote(value, safe='')}&n=1"
        yield "header", f"{name.replace('_', '-')}: {value}"
        yield "call", f"Client({name}='{value}', timeout=3)"
    yield "JSON", {field: value, "n": 1}
    yield "JSON text", json.dumps({"result": {field: value}})
    yield "JSON text in JSON text", json.dumps({"content": json.dumps({field: value})})
    yield "cut JSON text", json.dumps({field: value, "more": "x" * 30})[:-12]
    yield "repr", repr({field: value, "n": None})


def _core(value: str) -> str:
    """What identifies it: its longest run without separators."""
    if "-----BEGIN" in value:
        return value.splitlines()[1]
    return max(value.replace("/", " ").replace(":", " ").replace("@", " ").split(), key=len)


def secrets(count: int = 3) -> Iterator[Sample]:
    """So many of each kind, each in all its contexts."""
    rng = random.Random(SEED)
    for kind, make in SELF_EVIDENT.items():
        for _ in range(count):
            value = make(rng)
            for context, placed in _contexts(value, None):
                yield Sample(kind, context, placed, secret_part(kind, value))
    for kind, (name, make) in NAMED.items():
        for _ in range(count):
            value = make(rng)
            for context, placed in _contexts(value, name):
                yield Sample(kind, context, placed, value)


def secret_part(kind: str, value: str) -> str:
    """What must not be left of a secret: all of a token behind its prefix, the password of a connection."""
    if kind.endswith("connection") and "://" in value:
        return value.partition("://")[2].partition("@")[0].partition(":")[2]
    if kind == "Azure storage connection":
        return value.partition("AccountKey=")[2].partition(";")[0]
    if kind == "ODBC connection":
        return value.partition("Password=")[2].partition(";")[0]
    if kind == "Azure SAS":
        return value.partition("sig=")[2].partition("%")[0]
    if kind == "Sentry DSN":
        return value.partition("://")[2].partition("@")[0]
    if "webhook" in kind and "://" in value:
        return value.rpartition("/")[2]
    if "-----BEGIN" in value:
        return value.splitlines()[2]
    return value[-12:] if kind not in ("Mailchimp key", "New Relic license key") else value[:12]


def personal(count: int = 5) -> Iterator[Sample]:
    """So many of each kind, each in all its contexts."""
    rng = random.Random(SEED + 1)
    for kind, make in PERSONAL.items():
        for _ in range(count):
            value = make(rng)
            for context, placed in _contexts(value, None):
                yield Sample(kind, context, placed, value)


def decoys(count: int = 20) -> Iterator[Sample]:
    """So many of each kind, each in a sentence, as a value and as the value of an ordinary field."""
    rng = random.Random(SEED + 2)
    for kind, make in DECOYS.items():
        for _ in range(count):
            value = make(rng)
            for context, placed in (
                ("bare", value),
                ("sentence", f"It was {value}, I think."),
                ("JSON", {"id": value, "status": "ok"}),
                ("JSON text", json.dumps({"items": [{"reference": value}]})),
                ("repr", repr({"reference": value})),
            ):
                yield Sample(kind, context, placed, value)
