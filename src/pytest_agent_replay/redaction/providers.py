"""The forms that providers give their keys and tokens, as they document them.

A form that begins with letters that nothing else begins with is enough by itself. Keys that are any 32 hexadecimal
digits are not here: they are known by the name of their field (`contexts`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from pytest_agent_replay.redaction.lists import any_of

__all__ = ["Form", "forms_in"]


class Form(NamedTuple):
    """One form. `pattern` has the groups `keep`, the provider's prefix, which stays, and `secret`, what goes."""

    kind: str
    literals: tuple[str, ...]
    """A text without any of these has no such secret."""
    pattern: re.Pattern[str]


_B64 = "[A-Za-z0-9+/]"
_URL = "[A-Za-z0-9_-]"
_ALNUM = "[A-Za-z0-9]"
_HEX = "[0-9a-f]"
_UUID = f"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}"

# kind, prefixes, the rest
_PREFIXED: tuple[tuple[str, str, str], ...] = (
    ("AWS access key", "AKIA ASIA ABIA ACCA", "[A-Z0-9]{16}"),
    ("AWS session token", "IQoJb3JpZ2lu FwoGZXIvYXdz", f"{_B64}{{60,}}={{0,2}}"),
    ("AWS Bedrock key", "ABSK", f"{_B64}{{80,}}={{0,2}}"),
    ("Google API key", "AIza", f"{_URL}{{35}}"),
    ("Google OAuth token", "ya29.", r"[A-Za-z0-9_.-]{20,}"),
    ("Google OAuth client secret", "GOCSPX-", f"{_URL}{{20,}}"),
    ("Google refresh token", "1//0", f"{_URL}{{30,}}"),
    ("Firebase messaging key", "AAAA", f"{_URL}{{7}}:APA91b{_URL}{{100,}}"),
    ("GitHub personal token", "ghp_", f"{_ALNUM}{{30,}}"),
    ("GitHub OAuth token", "gho_", f"{_ALNUM}{{30,}}"),
    ("GitHub app token", "ghu_ ghs_", r"[A-Za-z0-9_.-]{30,}"),
    ("GitHub refresh token", "ghr_", f"{_ALNUM}{{30,}}"),
    ("GitHub fine-grained token", "github_pat_", "[A-Za-z0-9_]{30,}"),
    ("GitLab token", "glpat- gldt- glrt- glptt- glcbt- glsoat- glft- glagent- gloas- glimt- GR1348941", r"[\w.-]{20,}"),
    ("Slack bot token", "xoxb-", "[A-Za-z0-9-]{10,}"),
    ("Slack user token", "xoxp- xoxs- xoxa- xoxr- xoxo- xoxc- xoxd- xoxe- xoxe.xoxp- xoxe.xoxb-", "[A-Za-z0-9%-]{10,}"),
    ("Slack app token", "xapp-", "[A-Za-z0-9-]{20,}"),
    ("Stripe secret key", "sk_live_ sk_test_", f"{_ALNUM}{{16,}}"),
    ("Stripe restricted key", "rk_live_ rk_test_", f"{_ALNUM}{{16,}}"),
    ("Stripe webhook secret", "whsec_", f"{_B64}{{20,}}={{0,2}}"),
    ("OpenAI project key", "sk-proj-", f"{_URL}{{20,}}"),
    ("OpenAI service key", "sk-svcacct- sk-admin- sk-service- sk-None-", f"{_URL}{{20,}}"),
    ("Anthropic key", "sk-ant-", f"{_URL}{{20,}}"),
    ("OpenRouter key", "sk-or-v1- sk-or-", f"{_HEX}{{40,}}"),
    ("Langfuse secret key", "sk-lf-", _UUID),
    ("Langfuse public key", "pk-lf-", _UUID),
    ("LangSmith key", "lsv2_pt_ lsv2_sk_ ls__", "[0-9a-f_]{32,}"),
    ("Groq key", "gsk_", f"{_ALNUM}{{40,}}"),
    ("xAI key", "xai-", f"{_ALNUM}{{60,}}"),
    ("Perplexity key", "pplx-", f"{_ALNUM}{{32,}}"),
    ("Replicate token", "r8_", f"{_ALNUM}{{37}}"),
    ("Cerebras key", "csk-", "[a-z0-9]{40,}"),
    ("Fireworks key", "fw_", f"{_ALNUM}{{22,}}"),
    ("Together key", "tgp_v1_", f"{_URL}{{40,}}"),
    ("NVIDIA key", "nvapi-", f"{_URL}{{60,}}"),
    ("Hugging Face token", "hf_ api_org_", f"{_ALNUM}{{30,}}"),
    ("LlamaCloud key", "llx-", f"{_ALNUM}{{40,}}"),
    ("Tavily key", "tvly-", "[A-Za-z0-9-]{24,}"),
    ("Firecrawl key", "fc-", f"{_HEX}{{32}}"),
    ("Jina key", "jina_", f"{_URL}{{40,}}"),
    ("Pinecone key", "pcsk_", "[A-Za-z0-9_]{40,}"),
    ("Weights & Biases key", "wandb_v1_", f"{_URL}{{40,}}"),
    ("PostHog key", "phx_ phs_", f"{_URL}{{30,}}"),
    ("Twilio API key", "SK", f"{_HEX}{{32}}"),
    ("Twilio account", "AC", f"{_HEX}{{32}}"),
    ("SendGrid key", "SG.", f"{_URL}{{16,32}}\\.{_URL}{{30,64}}"),
    ("Mailgun key", "key-", f"{_HEX}{{32}}"),
    ("Brevo key", "xkeysib- xsmtpsib-", f"{_HEX}{{64}}-{_ALNUM}{{16}}"),
    ("Resend key", "re_", f"{_ALNUM}{{8}}_{_ALNUM}{{24}}"),
    ("npm token", "npm_", f"{_ALNUM}{{36}}"),
    ("PyPI token", "pypi-AgE", f"{_URL}{{50,}}"),
    ("RubyGems key", "rubygems_", f"{_HEX}{{48}}"),
    ("crates.io token", "cio", f"{_ALNUM}{{32}}"),
    ("NuGet key", "oy2", "[a-z0-9]{43}"),
    ("Docker Hub token", "dckr_pat_ dckr_oat_", f"{_URL}{{20,}}"),
    ("DigitalOcean token", "dop_v1_ doo_v1_ dor_v1_", f"{_HEX}{{64}}"),
    ("Heroku key", "HRKU-", r"[A-Za-z0-9_-]{36,}"),
    ("Shopify token", "shpat_ shpss_ shpca_ shppa_ shptka_", "[A-Fa-f0-9]{32}"),
    ("Square token", "sq0atp- sq0csp- sq0idp-", f"{_URL}{{22,}}"),
    ("Square access token", "EAAA", f"{_URL}{{60}}"),
    ("Braintree token", "access_token$", f"(?:production|sandbox)\\$[0-9a-z]{{16}}\\${_HEX}{{32}}"),
    ("Facebook token", "EAA", f"{_ALNUM}{{90,}}"),
    ("Razorpay key", "rzp_live_ rzp_test_", f"{_ALNUM}{{14,}}"),
    ("Flutterwave key", "FLWSECK_TEST- FLWSECK-", f"{_ALNUM}{{20,}}(?:-X)?"),
    ("Plaid token", "access-sandbox- access-development- access-production-", _UUID),
    ("New Relic key", "NRAK- NRII- NRJS- NRSP- NRRA-", f"{_ALNUM}{{19,}}"),
    ("Sentry token", "sntrys_ sntryu_ sntrya_", r"[A-Za-z0-9_=+/-]{40,}"),
    ("Grafana token", "glsa_", f"{_ALNUM}{{32}}_[0-9A-Fa-f]{{8}}"),
    ("Grafana Cloud token", "glc_", f"{_B64}{{32,}}={{0,2}}"),
    ("Dynatrace token", "dt0c01. dt0s01. dt0s02. dt0s06.", r"[A-Z0-9]{8,24}\.[A-Z0-9]{64}"),
    ("Linear key", "lin_api_ lin_oauth_", f"{_ALNUM}{{32,}}"),
    ("Notion token", "secret_ ntn_", f"{_ALNUM}{{40,}}"),
    ("Airtable token", "pat", f"{_ALNUM}{{14}}\\.{_HEX}{{64}}"),
    ("Atlassian token", "ATATT3xFf ATCTT3xFf ATBB", r"[A-Za-z0-9_=-]{20,}"),
    ("HubSpot token", "pat-na1- pat-na2- pat-eu1-", _UUID),
    ("Typeform token", "tfp_", f"{_URL}{{40,}}"),
    ("Databricks token", "dapi", f"{_HEX}{{32}}(?:-\\d)?"),
    ("Vault token", "hvs. hvb. hvr.", f"{_URL}{{24,}}"),
    ("Doppler token", "dp.pt. dp.st. dp.ct. dp.sa. dp.scim. dp.audit.", r"(?:[a-z0-9_-]+\.)?[A-Za-z0-9]{40,44}"),
    ("Fly token", "fo1_ fm1_ fm2_ fm1a_ fm1r_", r"[A-Za-z0-9_+/=,-]{40,}"),
    ("Supabase token", "sbp_ sb_secret_", "[A-Za-z0-9_-]{20,}"),
    ("Vercel token", "vcp_ vci_ vca_ vcr_ vck_", f"{_ALNUM}{{24,}}"),
    ("Cloudflare origin key", "v1.0-", f"{_HEX}{{24}}-{_HEX}{{100,}}"),
    ("Cloudflare token", "cfut_ cfat_ cfk_", f"{_ALNUM}{{40,}}"),
    ("Netlify token", "nfp_", f"{_ALNUM}{{36,}}"),
    ("Postman key", "PMAK-", f"{_HEX}{{24}}-{_HEX}{{34}}"),
    ("Figma token", "figd_ figo_ figor_", f"{_URL}{{40,}}"),
    ("1Password token", "ops_eyJ", f"{_B64}{{60,}}={{0,2}}"),
    ("Contentful token", "CFPAT-", f"{_URL}{{43}}"),
    ("Dropbox token", "sl.", f"{_URL}{{100,}}"),
    ("Pulumi token", "pul-", f"{_HEX}{{40}}"),
    ("PlanetScale token", "pscale_tkn_ pscale_pw_ pscale_oauth_", r"[A-Za-z0-9_.=-]{32,}"),
    ("SonarQube token", "sqp_ squ_ sqa_", f"{_HEX}{{40}}"),
    ("Tailscale key", "tskey-auth- tskey-api- tskey-client-", r"[A-Za-z0-9-]{16,}"),
    ("Buildkite token", "bkua_", f"{_HEX}{{40}}"),
    ("CircleCI token", "CCIPAT_", f"{_ALNUM}{{22}}_{_HEX}{{40}}"),
    ("Prefect key", "pnu_", f"{_ALNUM}{{36}}"),
    ("Alibaba key", "LTAI", f"{_ALNUM}{{17,}}"),
    ("Tencent key", "AKID", f"{_ALNUM}{{32}}"),
    ("LaunchDarkly key", "sdk- mob-", _UUID),
    ("Mapbox token", "sk.eyJ", f"{_URL}{{20,}}\\.{_URL}{{20,}}"),
    ("age key", "AGE-SECRET-KEY-1", "[A-Z0-9]{58}"),
)

# kind, literals, pattern
_OTHER: tuple[tuple[str, str, str], ...] = (
    (
        "private key",
        "PRIVATE",
        # in JSON and in a Python repr the ends of lines are written `\n`
        r"(?P<keep>-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----)(?P<secret>[\s\S]{0,16000}?)"
        r"(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|(?=[\"'`])|\Z)",
    ),
    ("PuTTY private key", "Private-Lines:", r"Private-Lines: \d+\s+(?P<keep>)(?P<secret>(?:[A-Za-z0-9+/=]+\s*)+)"),
    ("JWT", "eyJ", rf"(?P<keep>)(?P<secret>\beyJ{_URL}{{8,4000}}\.eyJ{_URL}{{8,}}\.{_URL}*)"),
    (
        "OpenAI key",
        "sk-",
        rf"(?P<keep>\bsk-)(?P<secret>{_ALNUM}{{20}}T3BlbkFJ{_ALNUM}{{20}}|{_ALNUM}{{48}}|{_HEX}{{32}})(?![\w-])",
    ),
    (
        "API key",
        "sk- sk_ rk- rk_ pk- pk_",
        r"(?P<keep>\b(?:sk|rk|pk)[-_](?:[a-z0-9]{1,12}[-_]){0,3})"
        r"(?P<secret>(?=[A-Za-z_-]{0,40}\d)(?=[0-9_-]{0,40}[A-Za-z])[A-Za-z0-9_-]{20,})",
    ),
    ("Slack webhook", "hooks.slack.com", r"hooks\.slack\.com/(?:services|workflows)/(?P<keep>)(?P<secret>[\w/-]{20,})"),
    ("Teams webhook", "webhook.office.com", r"webhook\.office\.com/webhookb2/(?P<keep>)(?P<secret>[\w@/-]{40,})"),
    (
        "Discord webhook",
        "/api/webhooks/",
        r"discord(?:app)?\.com/api/webhooks/\d+/(?P<keep>)(?P<secret>[\w-]{30,})",
    ),
    (
        "Discord bot token",
        ".",
        rf"(?P<keep>)(?P<secret>\b[MNO]{_URL}{{23,27}}\.{_URL}{{6}}\.{_URL}{{27,40}})(?![\w-])",
    ),
    ("Telegram token", ":AA", rf"(?P<keep>(?<!\d)\d{{8,10}}:)(?P<secret>AA{_URL}{{33}})(?![\w-])"),
    ("Telegram token", "/bot", rf"/bot(?P<keep>\d{{6,12}}:)(?P<secret>{_URL}{{30,}})"),
    ("Azure AD client secret", "Q~", r"(?P<keep>)(?P<secret>(?<![\w~.-])[\w~.-]{3}\dQ~[\w~.-]{31,34})(?![\w~.-])"),
    ("Azure DevOps token", "AZDO", rf"(?P<keep>)(?P<secret>\b{_ALNUM}{{72,76}}AZDO{_ALNUM}{{4}})\b"),
    ("Terraform token", ".atlasv1.", rf"(?P<keep>)(?P<secret>\b{_ALNUM}{{14}}\.atlasv1\.{_URL}{{60,70}})"),
    ("Mailchimp key", "-us", rf"(?P<keep>)(?P<secret>\b{_HEX}{{32}})-us\d{{1,2}}\b"),
    ("New Relic license key", "NRAL", r"(?P<keep>)(?P<secret>\b[0-9a-f]{36,40})(?:FFFF)?NRAL\b"),
    ("Asana token", "/", rf"(?P<keep>(?<![\w/.-])[012]/\d{{13,16}}(?:/\d{{13,16}})?:)(?P<secret>{_HEX}{{32}})\b"),
    (
        "Sentry DSN",
        "ingest",
        rf"https?://(?P<keep>)(?P<secret>{_HEX}{{32}}(?::{_HEX}{{32}})?)@[\w.-]*ingest[\w.-]*/\d+",
    ),
    ("Sentry DSN", "@sentry", rf"https?://(?P<keep>)(?P<secret>{_HEX}{{32}}(?::{_HEX}{{32}})?)@sentry[\w.-]*/\d+"),
    ("Okta token", "SSWS", rf"\bSSWS (?P<keep>)(?P<secret>{_URL}{{30,}})"),
)


def _forms() -> Iterator[Form]:
    for kind, prefixes, rest in _PREFIXED:
        literals = tuple(prefixes.split())
        end = "" if rest.endswith((",}", "?")) else r"(?![A-Za-z0-9])"
        yield Form(kind, literals, re.compile(rf"{_BOUNDARY}(?P<keep>{any_of(literals)})(?P<secret>{rest}){end}"))
    for kind, literal, pattern in _OTHER:
        yield Form(kind, tuple(literal.split()), re.compile(pattern))


_BOUNDARY = r"(?<![A-Za-z0-9])"
_FORMS = tuple(_forms())
_SHORTEST = 15
_OWN_START = r"[MNO][\w-]{23,27}\.[\w-]{6}\.|[012]/\d{13}"
"""Of the forms that begin with what many texts begin with."""
_PREFIXES = sorted({literal for form in _FORMS[: len(_PREFIXED)] for literal in form.literals})
_OTHERS = _FORMS[len(_PREFIXED) :]
_HINT = re.compile(rf"{_BOUNDARY}(?:(?P<prefix>{any_of(_PREFIXES)})(?=[\w.:/+=$-]{{6}})|{_OWN_START})")
_BY_PREFIX = {
    prefix: frozenset(index for index, form in enumerate(_FORMS) if any(each in prefix for each in form.literals))
    for prefix in _PREFIXES
}


def forms_in(text: str) -> Iterator[Form]:
    """The forms of which a text may have a secret, quickly: most texts have none."""
    if len(text) < _SHORTEST:
        return
    hints = {match["prefix"] for match in _HINT.finditer(text)}
    likely: set[int] = set().union(*(_BY_PREFIX[prefix] for prefix in hints if prefix is not None))
    for index, form in enumerate(_OTHERS, len(_PREFIXED)):
        if ("." not in form.literals and "/" not in form.literals) or None in hints:
            likely.update([index] if any(literal in text for literal in form.literals) else ())
    yield from (_FORMS[index] for index in sorted(likely))
