"""Runs the built program for the command-line tests, under an emulator where the build is a cross build."""

import os
import shlex
import subprocess
import tempfile
import unittest


def command(binary, *args):
    """The argument list that runs `binary`, named by its environment variable."""
    return shlex.split(os.environ.get("TERN_EMULATOR", "")) + [os.environ[binary], *map(str, args)]


def tern(*args, env=None, stdin=None, stdout=subprocess.PIPE, timeout=300):
    return subprocess.run(
        command("TERN_BINARY", *args),
        env={**os.environ, **(env or {})},
        input=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=timeout,
    )


class TernTest(unittest.TestCase):
    """A test in a folder of its own, with a data home of its own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tern-cli-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.env = {"XDG_DATA_HOME": self.path("data")}

    def path(self, name):
        return os.path.join(self.folder, name)

    def run_ok(self, *args, **options):
        result = tern(*args, **{"env": self.env, **options})
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def assert_refused(self, *args, code=2, says=(), **options):
        """One sentence on stderr, nothing on stdout, that exit code."""
        result = tern(*args, **{"env": self.env, **options})
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(result.stdout, "")
        lines = result.stderr.splitlines()
        self.assertEqual(len(lines), 1, result.stderr)
        self.assertTrue(lines[0].startswith("tern"), lines[0])
        for part in [says] if isinstance(says, str) else says:
            self.assertIn(part, lines[0])
