#!/bin/sh
# SPDX-License-Identifier: MIT
#
# feeders.t - issue 1: the feeders of the demo publish by plain SQL and outlive
# a locked database, the death of their sqlite3 and a replaced file; and they
# go when they are told to, leaving no child.

# shellcheck disable=SC2317	# the functions are called by way of ok()
set -u
tools=$(dirname -- "$0")/../tools
n=0
failed=0
feeder=

for tool in sqlite3 awk mkfifo; do
	if ! command -v "$tool" >/dev/null; then
		echo "1..0 # SKIP needs $tool"
		exit 0
	fi
done
if [ ! -r /proc/stat ]; then
	echo '1..0 # SKIP needs the /proc of Linux'
	exit 0
fi

dir=$(mktemp -d) || exit 1
finish()
{
	exec 7>&-
	[ -z "$feeder" ] || kill "$feeder" 2>/dev/null
	wait
	rm -rf "$dir"
}
trap finish EXIT
trap 'exit 1' TERM INT HUP

# ok WHAT COMMAND...: one test, passed if COMMAND succeeds.
ok()
{
	what=$1
	shift
	n=$((n + 1))
	if "$@"; then
		echo "ok $n - $what"
	else
		echo "not ok $n - $what"
		failed=1
	fi
}

# soon SECONDS COMMAND...: waits for COMMAND to succeed.
soon()
{
	tries=$(($1 * 10))
	shift
	while ! "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.1
	done
}

make_db()
{
	sqlite3 "$1" 'PRAGMA journal_mode = WAL;
	    CREATE TABLE changes(id INTEGER PRIMARY KEY AUTOINCREMENT,
	    channel TEXT NOT NULL, event TEXT, data)' >/dev/null
}

# ask DB SQL: one answer, waiting for locks.
ask()
{
	sqlite3 -batch -init /dev/null -cmd '.timeout 5000' "$1" "$2"
}

# yes DB SQL: is the answer 1?
yes()
{
	[ "$(ask "$1" "SELECT ($2)")" = 1 ]
}

gone()
{
	! kill -0 "$1" 2>/dev/null
}

children()
{
	ps -o pid= --ppid "$1"
}

# refuses WORDS COMMAND...: exit status 1 and a sentence with WORDS.
refuses()
{
	words=$1
	shift
	"$@" >"$dir/out" 2>&1
	[ $? -eq 1 ] && grep -q "$words" "$dir/out"
}

echo '1..30'

for name in clock monitor quotes; do
	ok "feed-$name refuses a missing database" \
	    refuses 'there is no database' "$tools/feed-$name" "$dir/none.db"
	ok "feed-$name did not make one" test ! -e "$dir/none.db"
done
sqlite3 "$dir/other.db" 'CREATE TABLE t(x)'
ok 'refuses a database of something else' \
    refuses 'no table changes' "$tools/feed-clock" "$dir/other.db"
echo 'This is a letter, and long enough to be read as a header.' >"$dir/letter"
ok 'refuses a file that is no database' \
    refuses 'cannot be read' "$tools/feed-clock" "$dir/letter"

# The name has in it all that is magic in a URI or a shell.
db="$dir/a b%20?x#'\$.db"
make_db "$db"
"$tools/feed-clock" "$db" 2>"$dir/said" &
feeder=$!
ok 'the clock ticks' soon 6 yes "$db" \
    "SELECT count(*) > 2 FROM changes WHERE channel = 'clock'"
ok 'it is the time' yes "$db" "SELECT abs(strftime('%s', 'now') -
    strftime('%s', max(data))) < 3 FROM changes WHERE channel = 'clock'"
ok 'a slide is an event with a payload' yes "$db" "SELECT count(*) > 0
    FROM changes WHERE channel = 'slides' AND event = 'slide' AND
    data ->> 'n' = 0 AND data ->> 'title' <> ''"

# A lock for longer than the feeder's .timeout.
mkfifo "$dir/fifo"
sqlite3 -batch "$db" <"$dir/fifo" >/dev/null &
locker=$!
exec 7>"$dir/fifo"
echo '.timeout 5000
BEGIN IMMEDIATE;' >&7
ok 'a locked database is complained about' \
    soon 8 grep -q 'locked' "$dir/said"
echo 'ROLLBACK;' >&7
exec 7>&-
wait "$locker"
last=$(ask "$db" 'SELECT max(id) FROM changes')
ok 'and outlived' \
    soon 6 yes "$db" "SELECT max(id) > $last + 1 FROM changes"
ok 'which is told' soon 2 grep -q 'all is well again' "$dir/said"

for child in $(children "$feeder"); do
	case $(ps -o comm= -p "$child") in
	sqlite3) kill -9 "$child" ;;
	esac
done
last=$(ask "$db" 'SELECT max(id) FROM changes')
ok 'the death of its sqlite3 is outlived' \
    soon 6 yes "$db" "SELECT max(id) > $last + 1 FROM changes"

make_db "$dir/new.db"
mv "$dir/new.db" "$db"
rm -f "$db-wal" "$db-shm"
ok 'a replaced file is opened anew' soon 6 yes "$db" \
    "SELECT count(*) > 1 FROM changes WHERE channel = 'clock'"

children=$(children "$feeder")
kill -TERM "$feeder"
ok 'ends when told' soon 2 gone "$feeder"
wait "$feeder"
ok 'with status 0' test $? -eq 0
feeder=
left=0
for child in $children; do
	soon 2 gone "$child" || left=1
done
ok 'and leaves no child' test "$left" -eq 0

"$tools/feed-monitor" "$db" &
feeder=$!
ok 'the monitor reports' soon 6 yes "$db" \
    "SELECT count(*) > 1 FROM changes WHERE channel = 'monitor'"
ok 'all of it, in JSON and in range' yes "$db" "SELECT min(
    abs(data ->> 't' - strftime('%s', 'now') * 1000) < 10000 AND
    json_array_length(data, '\$.load') = 3 AND
    data ->> '\$.load[0]' >= 0 AND
    data ->> 'cpu' BETWEEN 0 AND 100 AND
    data ->> '\$.mem.available' BETWEEN 1 AND data ->> '\$.mem.total' AND
    data ->> '\$.net.rx' >= 0 AND data ->> '\$.net.tx' >= 0 AND
    data ->> '\$.disk.read' >= 0 AND data ->> '\$.disk.write' >= 0)
    FROM changes WHERE channel = 'monitor'"
kill -TERM "$feeder"
wait "$feeder"

# What is in the file, as channel, rate and month, in the order of publication.
recorded()
{
	awk '
	/^#/ { next }
	$1 == "month" { split($0, symbol); next }
	{
		for (i = 2; i <= NF; i++)
			print "quotes." symbol[i] "|" $i "|" $1
	}' "$tools/feed-quotes.tsv"
}

# What was published, the same way; the rates as they stand in the JSON.
published()
{
	ask "$1" "SELECT channel, data -> 'rate', data ->> 'month'
	    FROM changes WHERE channel LIKE 'quotes.%' ORDER BY id"
}

is_replayed()
{
	published "$1" >"$dir/published"
	recorded | head -n "$(wc -l <"$dir/published")" |
	    cmp -s - "$dir/published"
}

make_db "$dir/quotes.db"
"$tools/feed-quotes" "$dir/quotes.db" &
feeder=$!
ok 'five years of quotes come at once' soon 4 yes "$dir/quotes.db" \
    "SELECT count(*) = 720 FROM changes WHERE id <= 720 AND
    channel LIKE 'quotes.%' AND data ->> 'month' < '2004-01'"
start=$(date +%s)
ok 'and some more a second' soon 8 yes "$dir/quotes.db" \
    "SELECT count(*) > 720 + 13 FROM changes"
ok 'but no flood' test $(($(date +%s) - start)) -ge 2
ok 'they are those of the file, in its order' is_replayed "$dir/quotes.db"
ok 'of which there are some thousand' test "$(recorded | wc -l)" -gt 3000
kill -TERM "$feeder"
wait "$feeder"
ok 'the feeder of quotes ends when told' test $? -eq 0

# A file of two months: after the last comes the first.
mkdir "$dir/tools"
cp "$tools/feed-quotes" "$tools/feed.sh" "$dir/tools"
printf '# two\nmonth\tA\tB\n2001-01\t1\t2\n2001-02\t3\t4\n' \
    >"$dir/tools/feed-quotes.tsv"
make_db "$dir/round.db"
"$dir/tools/feed-quotes" "$dir/round.db" &
feeder=$!
ok 'after the last month comes the first again' soon 8 yes "$dir/round.db" \
    "SELECT group_concat(data -> 'rate', '') LIKE '123412341%' FROM changes"
ok 'it names its source and its licence' \
    grep -q 'public domain' "$tools/feed-quotes.LICENSE"
rm "$dir/tools/feed-quotes.tsv"
ok 'and refuses to start without its data' \
    refuses 'cannot be read' "$dir/tools/feed-quotes" "$dir/round.db"

exit "$failed"
