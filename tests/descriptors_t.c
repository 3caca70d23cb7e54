/* SPDX-License-Identifier: MIT */
/* How the limit on open files is divided. */
#include "config.h"

#include <sys/resource.h>

#include <unistd.h>

#include "shared/base/descriptors.h"
#include "tests/tap/tap.h"

static int asked, closable;

static bool
relieve(void)
{
	asked++;
	if (closable == 0)
		return false;
	closable--;
	descriptors_count(-1);
	return true;
}

static int64_t
divide(rlim_t files)
{
	struct rlimit limit = { .rlim_cur = files, .rlim_max = files };

	setrlimit(RLIMIT_NOFILE, &limit);
	descriptors_plan();
	return descriptors_for_clients();
}

int
main(void)
{
	int64_t room, few;

	if (checked_by("valgrind")) {
		skip(16, "valgrind keeps descriptors for itself");
		return done();
	}
	ok(!descriptors_are_short() && descriptors_make_room(),
	    "without a plan there is no bound");
	room = divide(1000);
	is_int(descriptors_limit(), 1000, "the limit");
	ok(room > 850 && room < 960, "most of it is for clients: %lld",
	    (long long)room);
	descriptors_count((int)room);
	ok(!descriptors_are_short(), "all of them");
	descriptors_count(1);
	ok(descriptors_are_short(), "one more is told that it is one more");
	ok(!descriptors_are_gone() && descriptors_make_room(),
	    "and others can be");
	descriptors_count(61);
	ok(descriptors_are_gone(), "up to a sixteenth of the limit");
	ok(!descriptors_make_room(), "nobody makes room");
	descriptors_set_relief(relieve);
	ok(!descriptors_make_room() && asked == 1, "there is nobody who could");
	closable = 5;
	ok(descriptors_make_room() && closable == 4, "one goes for one");
	descriptors_count(3);
	ok(descriptors_make_room() && closable == 1, "as many as it takes");
	/* As many as were counted, and closed since. */
	descriptors_count(-(int)(room + 1 + 61 - 1 + 3 - 3));
	few = divide(100);
	ok(few >= 60 && few < 85, "a low limit: %lld", (long long)few);
	descriptors_count(1);
	ok(dup(0) != -1, "a connection");
	is_int(divide(100), few, "what is connected is none of our own");
	ok(dup(0) != -1 && divide(100) == few - 1, "what else is open is");
	is_int(divide(10), 0, "none at all");
	return done();
}
