"""The process that looks at a folder finds what it needs in what it is sent."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from pyspark import cloudpickle

from app.changes import ChangedFiles, Changes, send_as_they_are
from app.folder import Folder

pickle: Any = cloudpickle
LOOK = """
import sys
from pyspark import cloudpickle
reader = cloudpickle.loads(open("sent", "rb").read())({"path": ".", "wait": "1"}).simpleStreamReader(None)
rows, end = reader.read(reader.initialOffset())
print(list(rows), end, "app" in sys.modules)
"""


def test_a_process_that_cannot_import_the_package_can_look(tmp_path: Path) -> None:
    send_as_they_are(Changes, Folder)
    (tmp_path / "sent").write_bytes(pickle.dumps(ChangedFiles))
    (tmp_path / "a.json").write_text("1")
    done = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=tmp_path, env={}, capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.stdout, done.stderr) == ("[(b'a.json', False)] {'look': 1} False\n", "")
