# SPDX-License-Identifier: MIT
"""Files of root's, and what a user without rights plants to get at them."""
import contextlib
import os
import pwd
import signal
import stat


class Victim:
    """Files of root's, in a folder that others may look into."""

    def __init__(self, top):
        self.dir = os.path.join(top, 'of-root')
        os.mkdir(self.dir, 0o755)
        self.file = os.path.join(self.dir, 'shadow')
        with open(self.file, 'w') as f:
            f.write('root:secret\n')
        os.chmod(self.file, 0o600)
        self.empty = os.path.join(self.dir, 'empty')
        os.mkdir(self.empty, 0o755)
        self.missing = os.path.join(self.dir, 'cron-job')
        self.db = os.path.join(self.dir, 'other.db')
        with open(self.db, 'wb') as f:
            f.write(b'SQLite format 3\0' + bytes(100))
        os.chmod(self.db, 0o600)
        self.before = self.look()

    def look(self):
        seen = {}
        for folder, folders, files in os.walk(self.dir):
            for name in folders + files + ['.']:
                path = os.path.join(folder, name)
                sb = os.lstat(path)
                body = None
                if stat.S_ISREG(sb.st_mode):
                    with open(path, 'rb') as f:
                        body = f.read()
                seen[path] = (sb.st_uid, sb.st_gid, oct(sb.st_mode), body)
        return seen


def uid_gid():
    """Whose rights the planting is done with: httpd's user and his group."""
    pw = pwd.getpwnam('www-data')
    return pw.pw_uid, pw.pw_gid


def plant(kind, victim, path):
    """Puts something at `path`, in place of what is there."""
    tmp = path + '.planted'
    with contextlib.suppress(FileNotFoundError):
        os.unlink(tmp)
    if kind == 'link':
        os.symlink(victim.file, tmp)
    elif kind == 'dangling link':
        os.symlink(victim.missing, tmp)
    elif kind == 'link to a folder':
        os.symlink(victim.empty, tmp)
    elif kind == 'link to a database':
        os.symlink(victim.db, tmp)
    elif kind == 'hard link':
        os.link(victim.file, tmp)
    elif kind == 'FIFO':
        os.mkfifo(tmp, 0o666)
    os.rename(tmp, path)


KINDS = ('link', 'dangling link', 'link to a folder', 'link to a database', 'hard link', 'FIFO')


def as_user(function):
    """Runs function in a child of httpd's user."""
    pid = os.fork()
    if pid == 0:
        try:
            uid, gid = uid_gid()
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
            function()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return pid


def swap_for_ever(victim, paths, also=()):
    """Replaces what appears at those names by a link, as soon as it does."""
    while True:
        for path in paths:
            with contextlib.suppress(OSError):
                sb = os.lstat(path)
                if not stat.S_ISLNK(sb.st_mode):
                    plant('link', victim, path)
                else:
                    os.unlink(path)
        for folder, target in also:
            with contextlib.suppress(OSError):
                os.rename(folder, folder + '.away')
                os.symlink(target, folder)
            with contextlib.suppress(OSError):
                os.unlink(folder)
                os.rename(folder + '.away', folder)


@contextlib.contextmanager
def swapping(*args, **kw):
    pids = [as_user(lambda: swap_for_ever(*args, **kw)) for _ in range(1)]
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
