"""Files to Config. Everything that is wrong is found in one pass, and said at once."""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from gateway.config.certificates import Certificates
from gateway.config.destination import Destination
from gateway.config.document import Block, locate
from gateway.config.errors import ConfigError, Loc, Place, Problem, Problems, suggestion
from gateway.config.explain import explain, unknown_key
from gateway.config.include import Entry, gather, named_blocks
from gateway.config.model import Config, GatewayBlock, Source, SourceBlock, Tenant, TenantBlock
from gateway.config.secrets import holding_secrets, placeholders, prepare, secret_texts
from gateway.config.section import DAY, fields_of
from gateway.config.values import Address, StoreUrl
from providers.base import Adapter

META_RETRIES_S = 7 * DAY
REPLAYABLE_S = 3600.0
"""Somebody has to notice first that there is something to send again."""
BODIES_OF_SIZE = 8
"""So many of the largest bodies a store holds at least: room for two with their events in its free half."""
Adapters = Mapping[str, type[Adapter]]
Model = TypeVar("Model", bound=BaseModel)
Thing = TypeVar("Thing")


def load_config(path: Path, environ: Mapping[str, str], adapters: Adapters, *, body: bytes | None = None) -> Config:
    """The configuration of a file, or of `body` as if it stood there.

    Raises ConfigError with all that is wrong.
    """
    with _without_garbage_collection():
        return _Loader(path, environ, adapters).config(body)


def load_source(path: Path, environ: Mapping[str, str], adapters: Adapters, tenant: str, name: str) -> Source:
    """One source for use offline: its secrets need not be there, and what is wrong elsewhere does not matter.

    Raises ConfigError.
    """
    return _Loader(path, environ, adapters).offline_source(tenant, name)


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Loading makes many objects and hardly any garbage, but looking for it takes long at 10,000 tenants."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Loader:
    def __init__(self, path: Path, environ: Mapping[str, str], adapters: Adapters) -> None:
        self._path = path
        self._environ = environ
        self._adapters = adapters
        self._problems = Problems()
        self._warnings: list[str] = []
        self._uids: dict[str, Place] = {}
        self._certificates = Certificates(self._problems)

    def config(self, body: bytes | None) -> Config:
        root, entries = gather(self._path, body, self._environ, self._problems, self._warnings)
        settings = self._gateway(root)
        tenants = {name: self._tenant(name, entry) for name, entry in entries.items()}
        self._problems.raise_if_any()
        assert settings is not None, "it is None only where there are problems"
        if not tenants:
            self._warnings.append(f"{self._path}: no tenants: every request will be answered 404")
        self._check_size(settings, root, tenants)
        return Config(
            origin=settings.origin,
            listen=settings.listen,
            admin=settings.admin,
            store=self._store(settings.store),
            limits=settings.limits,
            retention=settings.retention,
            tenants=tenants,
            path=self._path,
            warnings=self._warnings,
        )

    def _store(self, store: StoreUrl) -> StoreUrl:
        return store._replace(path=self._path.parent / store.path) if store.kind == "sqlite" else store

    def offline_source(self, tenant: str, name: str) -> Source:
        _, tenants = gather(self._path, None, self._environ, self._problems, [])
        if fatal := [problem for problem in self._problems.found if not problem.loc]:
            raise ConfigError(fatal)
        loc: Loc = ("tenants", tenant, "sources", name)
        block = self._pick(tenants, loc[:2]).block
        entry = self._pick(named_blocks(block, "sources", loc[:2], self._problems), loc)
        source = self._source(tenant, name, Entry(self._offline(entry.block, loc), entry.place), loc)
        self._problems.raise_if_any()
        assert source is not None, "it is None only where there are problems"
        return source

    def _offline(self, block: Block, loc: Loc) -> Block:
        """The block with placeholders for the secrets that cannot be had. Only problems with the rest of it stay."""
        here = [problem for problem in self._problems.found if problem.loc[: len(loc)] == loc]
        adapter = self._adapters.get(str(block.get("provider")))
        if adapter is None:
            self._problems.found = here
            return block
        trial = Problems()
        prepare(block, adapter.Settings, loc, trial)
        wrong = {key for problem in [*here, *trial.found] for key in problem.loc[len(loc) :][:1]}
        lacking: set[str | int] = set()
        for key in holding_secrets(adapter.Settings):
            forms = {key, f"{key}_file"}
            lacking |= forms if forms & wrong else set()
        self._problems.found = [problem for problem in here if lacking.isdisjoint(problem.loc[len(loc) :][:1])]
        offline = block.without(lacking)
        for key, placeholder in placeholders(adapter.Settings).items():
            if key not in offline and f"{key}_file" not in offline:
                offline[key] = placeholder
        return offline

    def _pick(self, entries: Mapping[str, Entry], loc: Loc) -> Entry:
        name = str(loc[-1])
        if name not in entries:
            raise ConfigError([Problem(Place(str(self._path)), loc, f"is not there; {suggestion(name, entries)}")])
        return entries[name]

    def _gateway(self, root: Block) -> GatewayBlock | None:
        values = prepare(root.without({"tenants"}), GatewayBlock, (), self._problems)
        settings = self._validate(GatewayBlock, values, root, (), Place(str(self._path), 1, 1))
        if settings is not None:
            self._check_listeners(settings, root)
            self._check_window(settings, root)
        return settings

    def _check_listeners(self, settings: GatewayBlock, root: Block) -> None:
        admin = settings.admin
        place = locate(root, ("admin", "listen"))[0] or locate(root, ("listen",))[0] or Place(str(self._path), 1, 1)
        if not admin.listen.loopback and admin.token is None and not self._problems.blamed(("admin", "token")):
            self._problems.add(
                place, ("admin", "token"), "is required where other machines can reach admin.listen: "
                "give token or token_file, or listen on 127.0.0.1",
            )  # fmt: skip
        if admin.listen == settings.listen and admin.listen.port:
            self._problems.add(
                place, ("admin", "listen"), "is the address of listen: the operator's needs one of its own"
            )

    def _check_window(self, settings: GatewayBlock, root: Block) -> None:
        if settings.retention.ids < META_RETRIES_S:
            place = locate(root, ("retention", "ids"))[0]
            self._warnings.append(f"{place}: retention.ids: Meta sends again for 7 days: events may come twice")
        if settings.retention.receipts < REPLAYABLE_S:
            place = locate(root, ("retention", "receipts"))[0]
            self._warnings.append(
                f"{place}: retention.receipts: what is done with is gone within the hour: `replay`, `remap` and "
                "`events show` will not find it"
            )

    def _check_size(self, settings: GatewayBlock, root: Block, tenants: Mapping[str, Tenant]) -> None:
        """A body is stored as it came, and its events beside it; retention keeps room for two such."""
        size = settings.retention.size
        largest = max(
            (one.adapter.max_body for tenant in tenants.values() for one in tenant.sources.values()), default=0
        )
        if size is not None and size < BODIES_OF_SIZE * largest:
            place = locate(root, ("retention", "size"))[0]
            self._warnings.append(
                f"{place}: retention.size: a webhook may have {largest // 1024**2} MiB, for which so small a store may "
                f"have no room: give {BODIES_OF_SIZE * largest // 1024**2}MiB or more"
            )

    def _tenant(self, name: str, entry: Entry) -> Tenant:
        block, loc = entry.block, ("tenants", name)
        for key in block.keys() - fields_of(TenantBlock):
            self._unknown(block, key, TenantBlock, loc)
        source_blocks = named_blocks(block, "sources", loc, self._problems)
        sources = {
            key: self._source(name, key, source, (*loc, "sources", key)) for key, source in source_blocks.items()
        }
        destinations = {
            key: self._destination(name, key, destination, (*loc, "destinations", key), source_blocks)
            for key, destination in named_blocks(block, "destinations", loc, self._problems).items()
        }
        for what, there in (("sources", source_blocks), ("destinations", destinations)):
            if not there:
                self._warnings.append(f"{entry.place}: tenants.{name}: has no {what}")
        return Tenant(name, _without_failures(sources), _without_failures(destinations))

    def _source(self, tenant: str, name: str, entry: Entry, loc: Loc) -> Source | None:
        block = entry.block
        provider = self._provider(block, loc, entry.place)
        common = fields_of(SourceBlock)
        own = block.without(common)
        values = prepare(block.without(own), SourceBlock, loc, self._problems)
        base = self._validate(SourceBlock, {"provider": "", **values}, block, loc, entry.place)
        if provider is None:
            return None
        model = provider.Settings
        values = prepare(own, model, loc, self._problems)
        settings = self._validate(model, values, block, loc, entry.place, also_known=common)
        if base is None or settings is None:
            return None
        uid = base.uid or f"{tenant}/{name}"
        self._check_uid(uid, locate(block, ("uid",))[0] or entry.place, loc)
        return Source(
            tenant=tenant, name=name, provider=provider.name, adapter=provider(settings), uid=uid,
            channel=base.channel.model_dump(exclude_none=True), rate_limit=base.rate_limit,
        )  # fmt: skip

    def _provider(self, block: Block, loc: Loc, place: Place) -> type[Adapter] | None:
        where = (*loc, "provider")
        name = block.get("provider")
        if isinstance(name, str) and name in self._adapters:
            return self._adapters[name]
        if name is None:
            known = ", ".join(self._adapters)
            self._problems.add(place, where, f"is required: one of {known or 'none, since no provider is installed'}")
        elif not self._problems.blamed(where):
            hint = suggestion(str(name), self._adapters)
            listed = "" if hint.startswith("known") else f" (known are: {', '.join(self._adapters)})"
            self._problems.add(block.place("provider"), where, f"there is no such provider; {hint}{listed}")
        return None

    def _check_uid(self, uid: str, place: Place, loc: Loc) -> None:
        first = self._uids.setdefault(uid, place)
        if first is not place:
            self._problems.add(
                place, (*loc, "uid"), f"is the same as that of the source at {first}: event ids would collide"
            )

    def _destination(
        self, tenant: str, name: str, entry: Entry, loc: Loc, sources: Collection[str]
    ) -> Destination | None:
        block = entry.block
        reserved = block.keys() & (Destination.model_fields.keys() - fields_of(Destination).keys())
        for key in reserved:
            self._unknown(block, key, Destination, loc)
        values = prepare(block, Destination, loc, self._problems)
        values |= {"tenant": tenant, "name": name, **self._certificates.paths(values, block)}
        destination = self._validate(Destination, values, block, loc, entry.place)
        if destination is None:
            return None
        self._certificates.check(destination, block, loc)
        for index, pattern in enumerate(destination.sources):
            if pattern != "*" and not any(fnmatchcase(source, pattern) for source in sources):
                place, written = locate(block, ("sources", index))
                self._problems.add(
                    place or entry.place,
                    (*loc, *written),
                    f"this tenant has no such source; {suggestion(pattern, sources)}",
                )
        parts = urlsplit(destination.url)
        if parts.scheme == "http" and not Address(parts.hostname or "", 0).loopback:
            place = block.place("url")
            self._warnings.append(f"{place}: tenants.{tenant}.destinations.{name}.url: events travel unencrypted")
        return destination

    def _unknown(self, block: Block, key: str, model: type[BaseModel], loc: Loc) -> None:
        self._problems.add(block.key_place(key), (*loc, key), unknown_key(key, model, fields_of(model)))

    def _validate(
        self, model: type[Model], values: dict[str, Any], block: Block, loc: Loc, place: Place,
        also_known: Collection[str] = (),
    ) -> Model | None:  # fmt: skip
        try:
            return model.model_validate(values)
        except ValidationError as error:
            secrets = secret_texts(values, model)
            explain(error, block, model, loc, self._problems, at=place, also_known=also_known, secrets=secrets)
            return None


def _without_failures(found: Mapping[str, Thing | None]) -> dict[str, Thing]:
    return {name: value for name, value in found.items() if value is not None}
