/* SPDX-License-Identifier: MIT */
/*
 * The supervisor.  It holds the listening sockets, so that a program that dies
 * costs its clients a reconnect and never a refusal: who knocks meanwhile waits
 * in the queue of the socket.  Programs are looked for beside this binary (a
 * build tree) and then where they are installed.
 *
 * Refused: one systemd unit per program with socket activation.  It does the
 * same, but a host without systemd, and the demo, need it just as much.
 */
#include "config.h"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/board.h"
#include "shared/base/clock.h"
#include "shared/base/config_file.h"
#include "shared/base/log.h"
#include "shared/base/str.h"
#include "shared/base/user.h"
#include "shared/intake/listener.h"
#include "shared/wire/handover.h"
#include "tools/run.h"

#define QUICK_MS  2000  /* a life shorter than this is a failure */
#define QUICK_MAX 7     /* so that the longest wait is 32 s */
#define STOP_MS   10000 /* behind wsd: what has not ended is killed */
#define LINKS_FD  3     /* where a program finds its second socket */

/* One program. */
struct child {
	const char *name;   /* of binary, socket and pid file */
	const char *folder; /* of the binary in the build tree */
	bool handed;        /* httpd may hand clients over to it */
	int fd;             /* its listening socket */
	int links_fd;       /* the one for hand-overs, -1 = none */
	pid_t pid;          /* 0 = not running */
	int64_t started_ms; /* monotonic */
	int64_t again_ms;   /* monotonic, when to start it */
	int quick;          /* quick deaths in a row */
	int delay_s;        /* until it is started again */
};

static struct child children[] = {
	{ .name = "iframe", .folder = "cgi-bin", .handed = true },
	{ .name = "longpoll", .folder = "cgi-bin", .handed = true },
	{ .name = "poll", .folder = "cgi-bin" },
	{ .name = "publish", .folder = "cgi-bin" },
	{ .name = "sse", .folder = "cgi-bin", .handed = true },
	{ .name = "status", .folder = "cgi-bin" },
	{ .name = "wsd", .folder = "daemon", .handed = true },
};
#define NCHILDREN (sizeof(children) / sizeof(children[0]))

static volatile sig_atomic_t stop_signal;

static void
on_signal(int sig)
{
	/* A stop is not forgotten over a reload that comes with it. */
	if (stop_signal == 0 || stop_signal == SIGHUP)
		stop_signal = sig;
}

static void
on_child(int sig)
{
	(void)sig; /* it only ends the sleep */
}

/* The binary: ../FOLDER/NAME beside ours, or the installed one. */
static char *
find_binary(const struct child *child)
{
	char self[PATH_MAX];
	struct str path = { 0 };
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		*slash = '\0';
		str_addf(&path, "%s/../%s/%s", self, child->folder,
		    child->name);
		if (access(path.p, X_OK) == 0)
			return path.p;
		str_clear(&path);
	}
	str_addf(&path, LIBEXECDIR "/%s%s",
	    strcmp(child->folder, "cgi-bin") == 0 ? "cgi-bin/" : "",
	    child->name);
	return path.p;
}

/* As root what root alone can do; then, as the user, the rest. */
static void
become_user(const struct config *config)
{
	user_give_folder(config, config->run_dir);
	user_become(config);
	if (user_make_folder(config->run_dir) == -1)
		fatal("%s", config->run_dir);
}

static void
path_in_run_dir(const struct config *config, struct str *out, const char *name,
    const char *suffix)
{
	str_clear(out);
	str_addf(out, "%s/%s%s", config->run_dir, name, suffix);
}

/* Beside the socket of the program, for wsd where that would be. */
static void
bind_handover(const struct config *config, struct child *child,
    const char *where)
{
	struct str path = { 0 };
	char error[400];

	child->links_fd = -1;
	if (!child->handed)
		return;
	if (strncmp(where, "unix:", 5) == 0)
		str_addz(&path, where + 5);
	else
		path_in_run_dir(config, &path, child->name, ".sock");
	child->links_fd = listener_bind_handover(path.p, error, sizeof(error));
	/* httpd has another way. */
	if (child->links_fd == -1)
		log_warnx("%s: no hand-overs: %s", child->name, error);
	str_free(&path);
}

static void
bind_socket(const struct config *config, struct child *child)
{
	struct str where = { 0 };
	char error[400];

	if (strcmp(child->name, "wsd") == 0)
		str_addz(&where, config->ws_listen);
	else
		str_addf(&where, "unix:%s/%s.sock", config->run_dir,
		    child->name);
	if (child->fd == -1)
		child->fd = listener_bind(where.p, error, sizeof(error));
	if (child->fd == -1)
		fatalx("%s", error);
	bind_handover(config, child, where.p);
	str_free(&where);
}

/* Ports below 1024 are root's to bind; a socket file is not. */
static void
bind_port(const struct config *config, struct child *child)
{
	char error[400];

	child->fd = -1;
	if (strcmp(child->name, "wsd") != 0 ||
	    strncmp(config->ws_listen, "unix:", 5) == 0)
		return;
	child->fd = listener_bind(config->ws_listen, error, sizeof(error));
	if (child->fd == -1)
		fatalx("%s", error);
}

/* Whoever reads it finds a whole number: the file is put in place complete. */
static void
write_pid(const struct config *config, const char *name, pid_t pid)
{
	struct str path = { 0 }, tmp = { 0 };
	int fd;

	path_in_run_dir(config, &path, name, ".pid");
	path_in_run_dir(config, &tmp, name, ".pid.tmp");
	unlink(tmp.p);
	fd = open(tmp.p, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd == -1 || dprintf(fd, "%ld\n", (long)pid) < 0 ||
	    rename(tmp.p, path.p) == -1)
		log_warn("%s", path.p);
	if (fd != -1)
		close(fd);
	str_free(&path);
	str_free(&tmp);
}

static void
remove_file(const struct config *config, const char *name, const char *suffix)
{
	struct str path = { 0 };

	path_in_run_dir(config, &path, name, suffix);
	unlink(path.p);
	str_free(&path);
}

/* In the child: its sockets as descriptors 0 and 3, and nothing else of ours.
 */
static void
exec_child(const char *config_path, const struct child *child, pid_t parent)
{
	char *binary = find_binary(child);
	sigset_t none;

	/* It must not outlive a supervisor that was killed. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(child->fd, STDIN_FILENO) == -1)
		_exit(1);
	/* Where it is there already it would be closed as we exec. */
	if (child->links_fd == LINKS_FD)
		fcntl(LINKS_FD, F_SETFD, 0);
	else if (child->links_fd != -1 && dup2(child->links_fd, LINKS_FD) == -1)
		_exit(1);
	if (config_path != NULL)
		execl(binary, child->name, "-c", config_path, (char *)NULL);
	else
		execl(binary, child->name, (char *)NULL);
	log_warn("%s", binary);
	_exit(127);
}

static void
start_child(const struct config *config, const char *config_path,
    struct child *child)
{
	pid_t parent = getpid();

	child->started_ms = clock_mono_ms();
	child->pid = fork();
	if (child->pid == 0)
		exec_child(config_path, child, parent);
	if (child->pid == -1) {
		log_warn("%s", child->name);
		child->pid = 0;
		child->again_ms = child->started_ms + 1000;
		return;
	}
	write_pid(config, child->name, child->pid);
}

/* Decides when what has died is started again. */
static void
note_death(const struct config *config, struct child *child, int status)
{
	int64_t now_ms = clock_mono_ms();

	board_bury(config->run_dir, child->name, child->pid);
	if (stop_signal == SIGTERM || stop_signal == SIGINT)
		log_debug("%s has ended", child->name);
	else if (WIFSIGNALED(status))
		log_warnx("%s (process %ld) was ended by signal %d",
		    child->name, (long)child->pid, WTERMSIG(status));
	else
		log_warnx("%s (process %ld) exited with status %d", child->name,
		    (long)child->pid, WEXITSTATUS(status));
	child->pid = 0;
	if (now_ms - child->started_ms >= QUICK_MS)
		child->quick = 0;
	else if (child->quick < QUICK_MAX)
		child->quick++;
	/* The first time may be an accident: at once, then 1, 2, 4 ... s. */
	child->delay_s = child->quick < 2 ? 0 : 1 << (child->quick - 2);
	child->again_ms = now_ms + child->delay_s * 1000;
}

static unsigned
reap(const struct config *config)
{
	unsigned running = 0;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < NCHILDREN; i++)
			if (children[i].pid == pid)
				note_death(config, &children[i], status);
	for (size_t i = 0; i < NCHILDREN; i++)
		running += children[i].pid != 0;
	return running;
}

static void
signal_all(int sig)
{
	for (size_t i = 0; i < NCHILDREN; i++)
		if (children[i].pid != 0)
			kill(children[i].pid, sig);
}

static void
set_handlers(sigset_t *during_sleep)
{
	struct sigaction sa = { .sa_handler = on_signal };
	sigset_t ours;

	sigemptyset(&sa.sa_mask);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	sa.sa_handler = on_child;
	sigaction(SIGCHLD, &sa, NULL);
	/* Taken in pselect alone, so that none is missed. */
	sigemptyset(&ours);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGHUP);
	sigaddset(&ours, SIGCHLD);
	sigprocmask(SIG_BLOCK, &ours, during_sleep);
}

static void
sleep_for(int s, const sigset_t *mask)
{
	struct timespec ts = { s, 0 };

	pselect(0, NULL, NULL, NULL, &ts, mask);
}

static void
start_due(const struct config *config, const char *config_path)
{
	int64_t now_ms = clock_mono_ms();

	for (size_t i = 0; i < NCHILDREN; i++)
		if (children[i].pid == 0 && now_ms >= children[i].again_ms)
			start_child(config, config_path, &children[i]);
}

static void
stop_all(const struct config *config, int64_t wsd_ms, const sigset_t *mask)
{
	int64_t until_ms = clock_mono_ms() + wsd_ms + STOP_MS;

	signal_all(SIGTERM);
	while (reap(config) > 0) {
		if (clock_mono_ms() >= until_ms)
			signal_all(SIGKILL);
		sleep_for(1, mask);
	}
}

/* A key that every user of the machine can read is none. */
static void
check_mode(const struct config *config, const char *path)
{
	struct stat sb;

	if (path != NULL && config->keys.n > 0 && stat(path, &sb) == 0 &&
	    (sb.st_mode & S_IROTH) != 0)
		log_warnx("%s holds keys and can be read by every user", path);
}

/* How long wsd may take for a stop; see wsdrain_start. */
static int64_t
stop_ms(const struct config *config)
{
	return config->ws_drain_ms + 2 * config->ws_closing_ms;
}

/* The same, read anew; a wrong configuration changes nothing. */
static int64_t
read_stop_ms(const char *path, int64_t before_ms)
{
	struct config config;
	char error[400];
	int64_t ms;

	if (config_load(&config, path, error, sizeof(error)) == -1)
		return before_ms;
	ms = stop_ms(&config);
	config_free(&config);
	return ms;
}

int
run_programs(const struct config *config, const char *config_path)
{
	char *path = config_path == NULL ? NULL : realpath(config_path, NULL);
	int64_t wsd_ms = stop_ms(config);
	sigset_t mask;

	for (size_t i = 0; i < NCHILDREN; i++)
		bind_port(config, &children[i]);
	become_user(config);
	for (size_t i = 0; i < NCHILDREN; i++)
		bind_socket(config, &children[i]);
	set_handlers(&mask);
	write_pid(config, "tidings", getpid());
	check_mode(config, path);
	log_info("running");
	while (stop_signal == 0 || stop_signal == SIGHUP) {
		if (stop_signal == SIGHUP) {
			stop_signal = 0;
			wsd_ms = read_stop_ms(path, wsd_ms);
			signal_all(SIGHUP);
		}
		reap(config);
		start_due(config, path);
		sleep_for(1, &mask);
	}
	stop_all(config, wsd_ms, &mask);
	for (size_t i = 0; i < NCHILDREN; i++) {
		remove_file(config, children[i].name, ".sock");
		remove_file(config, children[i].name, ".sock" HANDOVER_SUFFIX);
		remove_file(config, children[i].name, ".pid");
		close(children[i].fd);
	}
	remove_file(config, "tidings", ".pid");
	/* Of processes that were killed and are nobody's children, as by CGI.
	 */
	board_read(config->run_dir, NULL, 0);
	free(path);
	log_info("stopped");
	return 0;
}
