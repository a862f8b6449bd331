"""A passkey in a real browser: added, used to log in, under the policy that every page has."""

import os

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import PHONE, WIDE, Visit
from tests.journeys.stack import RunningStudio

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

SHOTS = os.environ.get("NEOAPEX_SHOTS")


def with_authenticator(context: BrowserContext) -> Page:
    """A page with a key of its own that says yes, as the browser's own tools make one."""
    page = context.new_page()
    tools = context.new_cdp_session(page)
    tools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    }  # fmt: skip
    tools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return page


def shot(page: Page, name: str) -> None:
    if not SHOTS:
        return
    for size, viewport in (("wide", WIDE), ("phone", PHONE)):
        for scheme in ("dark", "light"):
            page.set_viewport_size(viewport)  # type: ignore[arg-type]
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=f"{SHOTS}/{name}-{size}-{scheme}.png", full_page=True)
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]


def test_a_passkey_is_added_and_logs_in_by_itself(chromium: Browser, studio: RunningStudio) -> None:
    # Browsers take passkeys of names alone, and of this one without https.
    base = studio.url.replace("127.0.0.1", "localhost")
    visit = Visit(chromium, studio)
    with visit.context(logged_in=False, base_url=base) as context:
        page = with_authenticator(context)
        page.goto(studio.login_link().replace(studio.url, base))
        # There an address is noted that nobody has confirmed, unless it is confirmed already.
        page.goto("/accounts/email/")
        page.goto("/accounts/2fa/")
        shot(page, "second-factor")
        page.get_by_role("link", name="Add one").click()
        page.get_by_label("Name").fill("My laptop")
        page.get_by_label("It logs me in by itself").check()
        shot(page, "add-passkey")
        page.locator("#mfa_webauthn_add").click()
        # Who has no password says with the key that it is them.
        page.get_by_role("link", name="Use a security key").click()
        page.locator("#mfa_webauthn_reauthenticate").click()
        expect(page.locator(".recovery-codes")).to_be_visible()
        shot(page, "recovery-codes")
        page.goto("/accounts/2fa/webauthn/")
        expect(page.get_by_text("My laptop")).to_be_visible()
        shot(page, "passkeys")
        page.goto("/account/tokens/")
        shot(page, "tokens")
        # Without the page, whose stream would come back as a stranger's.
        page.goto("about:blank")
        context.clear_cookies()
        page.goto("/accounts/login/")
        shot(page, "login")
        page.get_by_role("button", name="Log in with a passkey").click()
        expect(page.locator(".menu-who")).to_have_text("demo@example.com")
        page.goto("/accounts/2fa/totp/activate/")
        shot(page, "is-it-you")
        page.get_by_role("link", name="Use a security key").click()
        page.locator("#mfa_webauthn_reauthenticate").click()
        expect(page.locator(".qr")).to_be_visible()
        shot(page, "totp")
    assert not visit.complaints
    studio.shell("from allauth.mfa.models import Authenticator; Authenticator.objects.all().delete()")
