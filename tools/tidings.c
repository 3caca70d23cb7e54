/* SPDX-License-Identifier: MIT */
/*
 * The command line: makes the database, publishes, looks, prunes, and runs all
 * programs as one service.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/config_file.h"
#include "shared/base/log.h"
#include "shared/base/str.h"
#include "shared/base/user.h"
#include "shared/publish/publish.h"
#include "shared/publish/writer.h"
#include "shared/table/change.h"
#include "shared/table/db.h"
#include "shared/table/head.h"
#include "shared/table/lease.h"
#include "shared/table/prune.h"
#include "shared/table/schema.h"
#include "shared/table/watch.h"
#include "tools/run.h"

#define PATH_SYSTEM SYSCONFDIR "/tidings/tidings.conf"
#define OPEN_TRIES  5
#define OPEN_PAUSE  100 /* ms between two tries */
#define MODE_FILE   0660

static const char usage_text[] =
    "usage: tidings [-V] [-c file] command [argument ...]\n"
    "\n"
    "  init                         make the database, or bring it up to date\n"
    "  publish [-e event] [-k key] [-t type] channel [data]\n"
    "                               publish data, or standard input\n"
    "  prune                        remove what retention says, now\n"
    "  run                          run all programs as a service\n"
    "  check                        read the configuration and say if it is "
    "good\n"
    "  epoch                        print the epoch and the newest id\n";

static void
usage(void)
{
	fputs(usage_text, stderr);
	exit(2);
}

static void
sleep_ms(int64_t ms)
{
	poll(NULL, 0, (int)ms);
}

/* While a backup is being put in place an open may fail for a moment. */
static void
xopen_writer(struct db *db, const struct config *config)
{
	enum db_status status = DB_FAILED;
	int64_t newest;

	user_become(config);
	for (int i = 0; i < OPEN_TRIES && status != DB_OK; i++) {
		if (i > 0)
			sleep_ms(OPEN_PAUSE);
		status = db_open(db, config->database,
		    config->power ? DB_WRITER_POWER : DB_WRITER,
		    (int)config->busy_timeout_ms);
		if (status == DB_OK)
			status = head_read(db, &newest);
		if (status != DB_OK)
			db_give_up(db, status);
		if (status == DB_NOT_OURS ||
		    (status == DB_MISSING &&
			access(config->database, R_OK | W_OK) == -1))
			break;
	}
	if (status != DB_OK)
		fatalx("%s: %s%s", config->database, db->error,
		    status == DB_MISSING && access(config->database, F_OK) == -1
			? "; `tidings init` makes it"
			: "");
}

/* As whom the database is made, and what is in the way most often. */
static void
give_up_init(const struct config *config, const struct db *db)
{
	static char *folder; /* up to the end, which is here */
	const struct passwd *pw = getpwuid(geteuid());
	const char *name = pw != NULL ? pw->pw_name : "of this process";

	folder = user_folder_of(config->database);
	if (access(folder, W_OK | X_OK) == -1)
		fatalx("%s: the user %s can't write in this folder, as it "
		       "must: chown %s %s",
		    folder, name, name, folder);
	if (access(config->database, F_OK) == 0 &&
	    access(config->database, R_OK | W_OK) == -1)
		fatalx("%s: the user %s can't write this file, as it must: "
		       "chown %s %s",
		    config->database, name, name, config->database);
	fatalx("%s: %s", config->database, db->error);
}

/* The folder of the database, where nobody has made it. */
static void
make_folder(const struct config *config)
{
	char *folder = user_folder_of(config->database);

	user_give_folder(config, folder);
	user_become(config);
	if (user_make_folder(folder) == -1)
		fatal("%s", folder);
	free(folder);
}

static int
command_init(const struct config *config)
{
	enum db_status status;
	struct db db = { 0 };
	int64_t newest;
	bool made;

	make_folder(config);
	status = db_create(&db, config->database, MODE_FILE, &made);
	if (status != DB_OK)
		give_up_init(config, &db);
	status = db_set_max_data(&db, config->max_data);
	if (status == DB_OK)
		status = head_read(&db, &newest);
	if (status != DB_OK)
		fatalx("%s: %s", config->database, db.error);
	printf("%s: %s, version %d, epoch %s\n", config->database,
	    made ? "made" : "is there", schema_version(), db.epoch);
	db_close(&db);
	return 0;
}

static void
read_standard_input(struct str *out, int64_t max)
{
	char buf[16384];
	ssize_t n;

	while ((n = read(STDIN_FILENO, buf, sizeof(buf))) > 0) {
		str_add(out, buf, (size_t)n);
		if ((int64_t)out->len > max)
			fatalx("standard input has more than %lld bytes",
			    (long long)max);
	}
	if (n == -1)
		fatal("standard input");
	str_add(out, "", 0);
}

/* Commits one message and prints its cursor. */
static void
publish_one(const struct config *config, struct publish *p)
{
	const struct message *m = &p->job.messages[0];
	enum db_status status;
	int64_t id = 0;
	bool again;
	struct db db = { 0 };

	xopen_writer(&db, config);
	status = db_begin_write(&db, DB_HERE);
	if (status == DB_OK)
		status = change_publish(&db, m, &id, &again);
	if (status == DB_OK)
		status = db_commit(&db);
	if (status != DB_OK)
		fatalx("%s: %s", config->database, db.error);
	watch_ring(config->database);
	printf("%s-%lld\n", db.epoch, (long long)id);
	db_close(&db);
}

static int
command_publish(const struct config *config, int argc, char **argv)
{
	struct publish p = { 0 };
	struct str data = { 0 };
	struct message m = { 0 };
	int opt;

	while ((opt = getopt(argc, argv, "+e:k:t:")) != -1) {
		switch (opt) {
		case 'e':
			m.event = optarg;
			break;
		case 'k':
			m.dedup = optarg;
			break;
		case 't':
			m.content_type = optarg;
			break;
		default:
			usage();
		}
	}
	argc -= optind;
	argv += optind;
	if (argc < 1 || argc > 2)
		usage();
	m.channel = argv[0];
	if (argc == 2)
		str_addz(&data, argv[1]);
	else
		read_standard_input(&data, config->max_data);
	m.data = data.p;
	m.data_len = data.len;
	m.is_blob = m.content_type != NULL
			? !publish_type_is_text(m.content_type)
			: !utf8_valid(data.p, data.len);
	if (publish_add(&p, config, &m) == -1)
		fatalx("%s", p.error);
	publish_one(config, &p);
	publish_free(&p);
	str_free(&data);
	return 0;
}

static int
command_prune(const struct config *config)
{
	struct prune prune = { .whole = true };
	enum db_status status = DB_OK;
	struct db db = { 0 };
	bool done = false;
	int lease;

	user_become(config);
	lease = lease_take(config->database, 0, false);
	if (lease == -1)
		fatalx("another process is pruning");
	xopen_writer(&db, config);
	lease_known(lease, &db, &prune.known);
	while (status == DB_OK && !done) {
		int64_t began_ms = clock_mono_ms();

		status = prune_step(&db, config, &prune, &done);
		if (!done && !lease_is_wanted(lease))
			sleep_ms(prune_pause_ms(clock_mono_ms() - began_ms));
	}
	if (status != DB_OK)
		fatalx("%s: %s", config->database, db.error);
	lease_note(lease, &db, &prune.known);
	printf("%lld messages removed\n", (long long)prune.removed);
	db_close(&db);
	close(lease);
	return 0;
}

static int
command_epoch(const struct config *config)
{
	struct db db = { 0 };
	int64_t newest;

	xopen_writer(&db, config);
	if (head_read(&db, &newest) != DB_OK)
		fatalx("%s: %s", config->database, db.error);
	printf("%s-%lld\n", db.epoch, (long long)newest);
	db_close(&db);
	return 0;
}

static int
run_command(const struct config *config, const char *path, int argc,
    char **argv)
{
	const char *command = argv[0];

	if (strcmp(command, "publish") == 0) {
		optind = 1;
		return command_publish(config, argc, argv);
	}
	if (argc != 1)
		usage();
	if (strcmp(command, "init") == 0)
		return command_init(config);
	if (strcmp(command, "prune") == 0)
		return command_prune(config);
	if (strcmp(command, "epoch") == 0)
		return command_epoch(config);
	if (strcmp(command, "run") == 0)
		return run_programs(config, path);
	if (strcmp(command, "check") == 0) {
		if (config->user != NULL && getpwnam(config->user) == NULL)
			fatalx("user: there is no user %s", config->user);
		printf("%s: the configuration is good\n",
		    path != NULL ? path : "no file, the defaults");
		return 0;
	}
	usage();
	return 2;
}

int
main(int argc, char **argv)
{
	const char *path = getenv("TIDINGS_CONFIG");
	struct config config;
	char error[400];
	int opt, rc;

	log_init("tidings", LOG_LEVEL_INFO);
	while ((opt = getopt(argc, argv, "+Vc:")) != -1) {
		switch (opt) {
		case 'V':
			printf("tidings %s\n", PACKAGE_VERSION);
			return 0;
		case 'c':
			path = optarg;
			break;
		default:
			usage();
		}
	}
	if (optind == argc)
		usage();
	/* `tidings init -c FILE` is what fingers type: take -c behind it too.
	 */
	if (optind + 2 < argc && strcmp(argv[optind + 1], "-c") == 0 &&
	    strcmp(argv[optind], "publish") != 0 && optind + 3 == argc) {
		path = argv[optind + 2];
		argc -= 2;
	}
	if (path == NULL && access(PATH_SYSTEM, F_OK) == 0)
		path = PATH_SYSTEM;
	if (config_load(&config, path, error, sizeof(error)) == -1)
		fatalx("%s", error);
	rc = run_command(&config, path, argc - optind, argv + optind);
	config_free(&config);
	return rc;
}
