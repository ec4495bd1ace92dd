"""The composition root: builds the object graph of a workspace; only here adapters have names."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from walkdown.app.context import App
from walkdown.app.reading import kept_copy
from walkdown.clock import utc_now
from walkdown.errors import SpecError, StoreError
from walkdown.registry import Offers, open_model, open_step
from walkdown.settings import environment, load_settings
from walkdown.spec import EventBridgeAlertSpec, SmtpAlertSpec, SnsAlertSpec, WebhookAlertSpec
from walkdown.stores.files import FileBlobs
from walkdown.stores.folders import FolderSource
from walkdown.stores.lake import Lake
from walkdown.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from walkdown.models.artefact import Artefact
    from walkdown.ports import Model, Notifier, Source
    from walkdown.settings import Effective
    from walkdown.spec import AlertSpec, SourceSpec


def open_workspace(folder: str | None = None, **given: object) -> App:
    """The workspace of a folder, made if it is new, or of a stack on AWS: ``aws://STACK``.

    Settings may be overridden by keyword.
    """
    effective = load_settings(folder, given, environment())
    if effective.stack is not None:
        from walkdown.wiring_aws import open_stack

        return open_stack(effective)
    return build(effective)


def build(effective: Effective) -> App:
    """Connect everything for these settings. Raises `StoreError` where the folder can't be used."""
    home, settings = effective.home, effective.settings
    _make(home)
    store = SqliteStore(home / "records.sqlite", workspace=settings.workspace, clock=utc_now)
    blobs = FileBlobs(home / "blobs")
    return App(
        home=home,
        place=str(home),
        settings=settings,
        blobs=blobs,
        records=store,
        predictions=store,
        outbox=store,
        versions=store,
        spending=store,
        analytics=Lake(home / "lake"),
        clock=utc_now,
        sources=_source,
        notifiers=partial(_notifier, env=environment()),
        open_model=_model,
        open_step=open_step,
        origins=effective.origins,
        close=store.close,
        original=partial(kept_copy, blobs=blobs),
    )


def _make(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise StoreError(
            f"cannot make the workspace {home}: {e.strerror}; choose another: --workspace DIR"
        ) from e


def _source(spec: SourceSpec) -> Source:
    return FolderSource(spec.paths, include=spec.include, exclude=spec.exclude)


def _model(artefact: Artefact, label: str) -> Model:
    return open_model(artefact, label=label, offers=Offers(env=environment()))


def _notifier(spec: AlertSpec, env: Mapping[str, str]) -> Notifier:
    """The channel of an alert; imported only when a pipeline has one, since smtplib is slow."""
    match spec:
        case SmtpAlertSpec():
            return _smtp(spec, env)
        case WebhookAlertSpec():
            from walkdown.notify.webhook import WebhookNotifier

            return WebhookNotifier(spec.url, secret=_secret(spec.secret_env, env), clock=utc_now)
        case SnsAlertSpec() | EventBridgeAlertSpec():
            return _aws_notifier(spec)
    from walkdown.notify.log import LogNotifier

    return LogNotifier()


def _smtp(spec: SmtpAlertSpec, env: Mapping[str, str]) -> Notifier:
    from walkdown.notify.smtp import SmtpNotifier

    return SmtpNotifier(
        host=spec.host,
        clock=utc_now,
        port=spec.port,
        sender=spec.sender,
        recipients=spec.recipients,
        username=spec.username,
        password=_secret(spec.password_env, env),
        security=spec.security,
    )


def _aws_notifier(spec: SnsAlertSpec | EventBridgeAlertSpec) -> Notifier:
    """Called in the region that an ARN names, and otherwise in the one that is set up."""
    from walkdown.sdk.aws import Aws

    if isinstance(spec, SnsAlertSpec):
        from walkdown.notify.sns import SnsNotifier

        return SnsNotifier(Aws(region=_region(spec.topics)).client("sns"), spec.topics)
    from walkdown.notify.eventbridge import EventBridgeNotifier

    return EventBridgeNotifier(Aws(region=_region(spec.bus)).client("events"), bus=spec.bus)


def _region(arn: str) -> str | None:
    return arn.split(":")[3] if arn.startswith("arn:") else None


def _secret(name: str | None, env: Mapping[str, str]) -> str | None:
    if name is None:
        return None
    if not env.get(name):
        raise SpecError(f"an alert needs the environment variable {name}, which is not set")
    return env[name]
