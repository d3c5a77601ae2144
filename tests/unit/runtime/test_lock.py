import os
import subprocess
import sys

import pytest

from bot.domain.errors import ConfigurationError
from bot.runtime.lock import InstanceLock, account_lock, holder, home_lock


def test_a_second_bot_on_the_same_home_is_refused_and_told_who_holds_it(tmp_path):
    with home_lock(tmp_path), pytest.raises(ConfigurationError, match=f"pid {os.getpid()}"):
        home_lock(tmp_path).take()


def test_a_second_bot_on_the_same_account_is_refused_wherever_its_home_is():
    with account_lock("key", "http://127.0.0.1:1"), pytest.raises(ConfigurationError, match="account"):
        account_lock("key", "http://127.0.0.1:1").take()


def test_another_account_is_no_obstacle():
    with account_lock("key", "http://127.0.0.1:1"), account_lock("other", "http://127.0.0.1:1"):
        pass


def test_a_lock_left_by_a_killed_process_does_not_block(tmp_path):
    path = tmp_path / "act.lock"
    code = (
        "import os,signal,sys; from pathlib import Path; from bot.runtime.lock import InstanceLock;"
        "InstanceLock(Path(sys.argv[1]), 'x').take(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert path.exists()
    with InstanceLock(path, "x"):
        assert path.read_text().strip() == str(os.getpid())


def test_a_lock_can_be_taken_again_after_release(tmp_path):
    lock = home_lock(tmp_path)
    lock.take()
    lock.release()
    lock.release()
    with lock:
        pass


def test_the_holder_of_a_home_is_named_while_it_lives_and_not_as_a_zombie(tmp_path):
    assert holder(tmp_path) == 0
    code = (
        "import sys; from pathlib import Path; from bot.runtime.lock import home_lock;"
        "home_lock(Path(sys.argv[1])).take(); print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    assert holder(tmp_path) == process.pid
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert holder(tmp_path) == 0
    process.communicate()
