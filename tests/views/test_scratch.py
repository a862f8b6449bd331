from tests import factories
def test_page(browser):
    factories.make_song()
    for s in ("QUEUED","SUBMITTED","RUNNING","LOST","INGESTING","FAILED","CANCELLED"):
        factories.make_generation(state=s)
    r = browser.get("/")
    assert r.status_code == 200, r.content
    open("/tmp/ui-page.html","wb").write(r.content)
    for g in factories.Generation.objects.all():
        assert browser.get(f"/generations/{g.pk}/").status_code == 200
    for u in ("/budget/","/account/tokens/","/accounts/email/","/accounts/password/change/","/accounts/logout/"):
        assert browser.get(u).status_code == 200, u
    r = browser.get("/nothere/"); assert r.status_code == 404
