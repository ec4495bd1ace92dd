"""The lake: results as gzip NDJSON, one file per batch, and questions in SQL on three views.

``results``: one row per result, the newest of each (a done one before all others).

    result_id, workspace, capture_id, plan_digest, batch_id, image, uri, content, asset, viewpoint,
    status, verdict, model, severity, error, actor, camera   VARCHAR
    run, width_px, height_px                                 BIGINT
    score, raw_score, latitude_deg, longitude_deg, altitude_m DOUBLE
    recorded_at, taken_at                                    TIMESTAMP, UTC
    dt                                                       DATE of the batch: for pruning

``predictions``: one row per stage of a result, in the order in which they ran.

    result_id, image, asset, recorded_at                     as in results
    stage_number                                             BIGINT, from 1
    stage, model, model_digest, verdict, heatmap, error      VARCHAR
    score, raw_score, p_normal                               DOUBLE
    labels                                                   VARCHAR[]

``regions``: one row per region of a prediction, in pixels of the upright original image.

    result_id, image, asset, recorded_at, stage_number, stage, model
    label, nearest_image (it was compared to)                VARCHAR
    score, area_pct                                          DOUBLE
    x, y, width_px, height_px                                BIGINT

For each question the newest rows are read into a new in-memory DuckDB, which is then cut off: it
can open no file at all, installs nothing, and runs nothing but one SELECT. (Views that read the
files lazily would need the folder open: ``WITH x AS (COPY ...) SELECT`` then writes into it.)
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from walkdown.errors import MissingExtra, StoreError
from walkdown.stores.files import FileBlobs
from walkdown.stores.lake_rows import (
    BATCH_FILE,
    RESULT_COLUMNS,
    STAGES_COLUMN,
    batch_file,
    check_batch_id,
)
from walkdown.stores.reasons import reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import duckdb

    from walkdown.types import Result

_VIEWS = "the views are results, predictions and regions"


class Lake:
    """Analytics below ``root``: files ``results/dt=YYYY-MM-DD/batch=ID.ndjson.gz``.

    A batch's date is that of its earliest result. The same batch always gives the same bytes.
    """

    def __init__(self, root: Path) -> None:
        self._root = Path(os.path.realpath(root))
        self._blobs = FileBlobs(self._root, fsync=True)

    def project(self, batch_id: str, results: Sequence[Result]) -> None:
        """Write one batch; a retry replaces it, and one without results removes it.

        A retry may hold fewer results, and so have another date, because a result that was
        recorded again belongs to a later batch.
        """
        before = self._files_of(check_batch_id(batch_id))
        if results:
            key, data = batch_file(batch_id, results)
            self._blobs.put(key, data)
            before.discard(key)
        for stale in before:
            self._blobs.delete(stale)

    def query(self, sql: str) -> tuple[list[str], list[tuple[object, ...]]]:
        """Column names and rows of one SELECT on the documented views.

        Raises `StoreError` with DuckDB's reason, and `MissingExtra` where DuckDB is not installed.
        """
        if not sql.isascii() and sql != sql.encode("utf-8", "replace").decode():
            raise StoreError("the question holds characters that are not Unicode text")
        with _explained(), self._connection() as connection:
            statements = connection.extract_statements(sql)
            if [statement.type.name for statement in statements] != ["SELECT"]:
                raise StoreError(f"a question is one SELECT statement; {_VIEWS}")
            answer = connection.execute(statements[0])
            return [column[0] for column in answer.description or ()], answer.fetchall()

    def batches(self) -> list[str]:
        """Ids of the batches that are there; other files in the folder are left alone."""
        found = (BATCH_FILE.fullmatch(key) for key in self._blobs.list("results/"))
        return sorted({match["batch"] for match in found if match})

    def drop(self, batch_ids: Iterable[str]) -> None:
        """Remove these batches."""
        dropped = set(batch_ids)
        for key in list(self._blobs.list("results/")):
            found = BATCH_FILE.fullmatch(key)
            if found and found["batch"] in dropped:
                self._blobs.delete(key)

    def _files_of(self, batch_id: str) -> set[str]:
        try:
            found = self._root.glob(f"results/dt=*/batch={batch_id}.ndjson.gz")
            return {path.relative_to(self._root).as_posix() for path in found}
        except OSError as error:
            raise StoreError(f"cannot list {self._root}: {reason(error)}") from error

    @contextmanager
    def _connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        try:
            import duckdb
        except ImportError as error:
            raise MissingExtra("query", "walkdown query") from error
        with duckdb.connect(":memory:", config=dict(_CONFIG)) as connection:
            for statement in (f"CREATE TABLE _newest AS {self._newest()}", *_VIEWS_AND_LOCKS):
                connection.execute(statement)
            yield connection

    def _newest(self) -> str:
        columns = RESULT_COLUMNS | dict([STAGES_COLUMN])
        if not any(BATCH_FILE.fullmatch(key) for key in self._blobs.list("results/")):
            nulls = ", ".join(f"NULL::{kind} AS {name}" for name, kind in columns.items())
            return f"SELECT {nulls}, NULL::DATE AS dt WHERE false"
        types = ", ".join(f"{name}: {_quoted(kind)}" for name, kind in columns.items())
        files = _quoted(f"{_escaped(str(self._root))}/results/dt=*/batch=*.ndjson.gz")
        # The date is cut out of the name, as folders above the lake may look like partitions too.
        return (
            "SELECT * EXCLUDE (filename), "  # noqa: S608 (quoted above)
            r"CAST(regexp_extract(filename, '/dt=([0-9-]+)/batch=[^/]*$', 1) AS DATE) AS dt "
            f"FROM read_json({files}, format='newline_delimited', compression='gzip', "
            f"hive_partitioning=false, filename=true, columns={{{types}}}) "
            "QUALIFY row_number() OVER (PARTITION BY result_id "
            "ORDER BY status = 'done' DESC, recorded_at DESC, batch_id DESC) = 1"
        )


_CONFIG = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    # A question that needs more memory than there is fails; it leaves no files in the way.
    "temp_directory": "",
}

_STAGES = """CREATE VIEW _stages AS
SELECT result_id, image, asset, recorded_at,
unnest(generate_series(1, len(stages))) AS stage_number, stages[stage_number] AS s FROM _newest"""

_RESULTS = "CREATE VIEW results AS SELECT * EXCLUDE (stages) FROM _newest"

_PREDICTIONS = """CREATE VIEW predictions AS
SELECT result_id, image, asset, recorded_at, stage_number, s.stage, s.model, s.model_digest,
s.verdict, s.score, s.raw_score, s.p_normal, s.labels, s.heatmap, s.error FROM _stages"""

_REGIONS = """CREATE VIEW regions AS
SELECT * EXCLUDE (s), unnest(s.regions, recursive := true)
FROM (SELECT * EXCLUDE (s), s.stage, s.model, s FROM _stages)"""

_VIEWS_AND_LOCKS = (
    *(_RESULTS, _STAGES, _PREDICTIONS, _REGIONS),
    "SET TimeZone='UTC'",
    "SET enable_external_access=false",
    "SET lock_configuration=true",
)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _escaped(path: str) -> str:
    """The path as a pattern that fits itself alone."""
    return re.sub(r"([*?\[])", r"[\1]", path)


@contextmanager
def _explained() -> Iterator[None]:
    """DuckDB's errors as ours. They are told apart by name, as DuckDB may not be installed."""
    try:
        yield
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("duckdb", "_duckdb"):
            raise
        raise StoreError(_words(error)) from error


def _words(error: Exception) -> str:
    text = " ".join(str(error).partition("\nLINE ")[0].split())
    if type(error).__name__ == "IOException":
        return (
            f"a file of the lake is damaged; make it anew: walkdown query --rebuild ({text:.200})"
        )
    if type(error).__name__ == "PermissionException":
        return f"a question cannot read or write files; {_VIEWS} ({text:.200})"
    if "pytz" in text:
        return "a time with a zone cannot be shown: write ::TIMESTAMP after it"
    return f"the question cannot be answered: {text:.300} ({_VIEWS})"
