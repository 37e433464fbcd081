"""Addresses, one word each from here to the test."""

from __future__ import annotations

from django.urls import include, path, re_path

from dashboard.api import api, nowhere
from dashboard.views import (
    account,
    agents,
    floor,
    health,
    holds,
    house,
    inbox,
    policies,
    record,
    runs,
    search,
    session,
    teams,
    webhooks,
)

urlpatterns = [
    path("api/v1/", api.urls),
    re_path("^api/v1/", nowhere),
    path("api/aap/", include("agents.aap.urls")),
    path("livez", health.livez),
    path("readyz", health.readyz),
    # -- coming in, and how one likes it
    path("sign-in/", session.SignIn.as_view(), name="sign-in"),
    path("sign-in/", session.SignIn.as_view(), name="account_login"),  # allauth's name for it
    path("sign-in/again/", session.SignInAgain.as_view(), name="sign-in-again"),
    path("sign-in/again/", session.SignInAgain.as_view(), name="account_reauthenticate"),
    path("sign-out/", session.sign_out, name="sign-out"),
    path("switched-off/", session.inactive, name="account_inactive"),
    path("welcome/<str:uid>/<str:token>/", session.welcome, name="welcome"),
    path("theme/", session.theme, name="theme"),
    path("time-zone/", session.time_zone, name="time-zone"),
    # -- my own affairs, and a team's
    path("account/", account.account, name="account"),
    path("account/out/", account.go_out, name="account-out"),
    path("account/out/<uuid:pk>/end/", account.come_back, name="account-back"),
    path("account/tokens/add/", account.add_token, name="account-token-add"),
    path("account/tokens/<uuid:pk>/revoke/", account.revoke_token, name="account-token-revoke"),
    path("settings/teams/<uuid:pk>/", teams.team, name="team"),
    path("settings/teams/<uuid:pk>/groups/add/", teams.add_group, name="team-group-add"),
    path(
        "settings/teams/<uuid:pk>/groups/<uuid:group>/rename/",
        teams.rename_group,
        name="team-group-rename",
    ),
    path(
        "settings/teams/<uuid:pk>/groups/<uuid:group>/delete/",
        teams.delete_group,
        name="team-group-delete",
    ),
    path(
        "settings/teams/<uuid:pk>/groups/<uuid:group>/join/",
        teams.join_group,
        name="team-group-join",
    ),
    path(
        "settings/teams/<uuid:pk>/groups/<uuid:group>/leave/",
        teams.leave_group,
        name="team-group-leave",
    ),
    path("settings/teams/<uuid:pk>/hours/set/", teams.set_calendar, name="team-hours-set"),
    path(
        "settings/teams/<uuid:pk>/hours/preview/", teams.preview_calendar, name="team-hours-preview"
    ),
    path("settings/teams/<uuid:pk>/hours/remove/", teams.remove_calendar, name="team-hours-remove"),
    # -- who is told outside
    path("settings/webhooks/", webhooks.webhooks, name="webhooks"),
    path("settings/webhooks/add/", webhooks.add, name="webhook-add"),
    path("settings/webhooks/<uuid:pk>/", webhooks.webhook, name="webhook"),
    path("settings/webhooks/<uuid:pk>/test/", webhooks.test, name="webhook-test"),
    path("settings/webhooks/<uuid:pk>/secret/", webhooks.renew_secret, name="webhook-secret"),
    path("settings/webhooks/<uuid:pk>/enable/", webhooks.enable, name="webhook-enable"),
    path("settings/webhooks/<uuid:pk>/disable/", webhooks.disable, name="webhook-disable"),
    path("settings/webhooks/<uuid:pk>/delete/", webhooks.delete, name="webhook-delete"),
    path(
        "settings/webhooks/<uuid:pk>/messages/<int:number>/",
        webhooks.delivery,
        name="webhook-delivery",
    ),
    path(
        "settings/webhooks/<uuid:pk>/messages/<int:number>/again/",
        webhooks.again,
        name="webhook-again",
    ),
    # -- what waits, and how it goes
    path("", floor.floor, name="floor"),
    path("inbox/", inbox.inbox, name="inbox"),
    path("inbox/count/", inbox.count, name="inbox-count"),
    path("inbox/answer/", inbox.answer, name="inbox-answer"),
    path("search/", search.search, name="search"),
    path("settings/", house.house, name="settings"),
    # -- a hold, and the answers people give
    path("holds/<uuid:pk>/", holds.hold, name="hold"),
    path("holds/<uuid:pk>/raw/", holds.raw, name="hold-raw"),
    path("holds/<uuid:pk>/approve/", holds.approve, name="hold-approve"),
    path("holds/<uuid:pk>/edit/", holds.edit, name="hold-edit"),
    path("holds/<uuid:pk>/reject/", holds.reject, name="hold-reject"),
    path("holds/<uuid:pk>/answer/", holds.answer, name="hold-answer"),
    path("holds/<uuid:pk>/ask/", holds.ask, name="hold-ask"),
    path("holds/<uuid:pk>/extend/", holds.extend, name="hold-extend"),
    path("holds/<uuid:pk>/escalate/", holds.escalate, name="hold-escalate"),
    path("holds/<uuid:pk>/comment/", holds.comment, name="hold-comment"),
    path("holds/<uuid:pk>/redeliver/", holds.redeliver, name="hold-redeliver"),
    path("holds/<uuid:pk>/resume/", holds.resume, name="hold-resume"),
    path("holds/<uuid:pk>/modify/", holds.modify, name="hold-modify"),
    path("holds/<uuid:pk>/terminate/", holds.terminate, name="hold-terminate"),
    path("holds/<uuid:pk>/resolve/", holds.resolve, name="hold-resolve"),
    path("holds/<uuid:pk>/retry/", holds.retry, name="hold-retry"),
    path("holds/<uuid:pk>/discard/", holds.discard, name="hold-discard"),
    path("holds/<uuid:pk>/claim/", holds.claim, name="hold-claim"),
    path("holds/<uuid:pk>/release/", holds.release, name="hold-release"),
    # -- who acts
    path("agents/", agents.agents, name="agents"),
    path("agents/<uuid:pk>/", agents.agent, name="agent"),
    path("agents/<uuid:pk>/stop/", agents.stop, name="agent-stop"),
    path("agents/<uuid:pk>/retire/", agents.retire, name="agent-retire"),
    path("agents/<uuid:pk>/keys/add/", agents.add_key, name="key-add"),
    path("agents/<uuid:pk>/keys/<uuid:key>/revoke/", agents.revoke_key, name="key-revoke"),
    path(
        "agents/<uuid:pk>/breakers/<uuid:breaker>/change/",
        agents.change_breaker,
        name="breaker-change",
    ),
    path(
        "agents/<uuid:pk>/breakers/<uuid:breaker>/disable/",
        agents.disable_breaker,
        name="breaker-disable",
    ),
    path(
        "agents/<uuid:pk>/breakers/<uuid:breaker>/enable/",
        agents.enable_breaker,
        name="breaker-enable",
    ),
    # -- what they did
    path("runs/", runs.runs, name="runs"),
    path("runs/<uuid:pk>/", runs.run, name="run"),
    path("runs/<uuid:pk>/stop/", runs.stop, name="run-stop"),
    path("runs/<uuid:pk>/terminate/", runs.terminate, name="run-terminate"),
    path("runs/<uuid:run>/actions/<uuid:pk>/", runs.action, name="action"),
    path("runs/<uuid:run>/actions/<uuid:pk>/raw/", runs.raw_action, name="action-raw"),
    # -- what they may do
    path("policies/", policies.policies, name="policies"),
    path("policies/add/", policies.add, name="policy-add"),
    path("policies/<uuid:pk>/", policies.policy, name="policy"),
    path("policies/<uuid:pk>/edit/", policies.edit, name="policy-edit"),
    path("policies/<uuid:pk>/versions/<int:number>/", policies.version, name="policy-version"),
    path(
        "policies/<uuid:pk>/versions/<int:number>/restore/",
        policies.restore,
        name="policy-restore",
    ),
    # -- the record
    path("record/", record.record, name="record"),
    path("record/export/", record.export, name="record-export"),
]
