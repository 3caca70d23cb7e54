# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# feed.sh - what the feeders have in common: one sqlite3 shell, kept open, that
# is handed one line of SQL at a time.  It is sourced, not run.
#
# The sqlite3 shell reads from one FIFO and answers on another.  Behind every
# line of SQL it is asked for the time left to the next full second, and the
# feeder waits for that answer.  So a busy database makes a feeder skip a
# beat; it does not fill a pipe with rows that are stale when they get in.
#
# Starting sqlite3 anew for each row would be shorter, but the last connection
# to close a database in WAL mode also checkpoints it and removes the WAL:
# once a second that is a lot of work for one row.
#
#	feed_begin NAME DB	opens DB; a sentence and exit 1 if that fails
#	feed_send SQL		runs one line of SQL; says so if it fails
#	feed_sleep [SECONDS]	sleeps so long, or to the next full second
#
# feed_begin also sees to SIGTERM, SIGINT and SIGHUP: they end the feeder with
# status 0 and no child left.

feed_name=			# for messages
feed_db=			# the database, as it was given
feed_uri=			# the same as a URI that never creates a file
feed_inode=			# inode and name of the file that is open
feed_pid=			# the sqlite3 shell, "" = not running
feed_dir=			# where the FIFOs are while they are opened
feed_trouble=			# the last complaint, "" = all is well
feed_wait=1			# seconds to the next full second
feed_as=			# what makes a command another user's

feed_say()
{
	printf '%s: %s\n' "$feed_name" "$*" >&2
}

# Complains, but only once about the same thing.
feed_complain()
{
	[ "$*" = "$feed_trouble" ] || feed_say "$*"
	feed_trouble=$*
}

feed_end()
{
	trap '' TERM INT HUP
	# $! is the latest child, which may not have reached a variable yet.
	kill ${feed_pid:+"$feed_pid"} ${!:+"$!"} 2>/dev/null
	wait
	[ -z "$feed_dir" ] || rm -rf "$feed_dir"
	exit 0
}

# Is DB a database of Tidings?  Else the reason is in $feed_why.
feed_check()
{
	if [ ! -e "$feed_db" ]; then
		feed_why="there is no database $feed_db; tidings init makes one"
		return 1
	fi
	feed_why=$($feed_as sqlite3 -batch -init /dev/null -cmd '.timeout 2000' \
	    "$feed_uri" "SELECT count(*) FROM sqlite_master
	    WHERE type = 'table' AND name = 'changes'" 2>&1 </dev/null)
	case $feed_why in
	1 | *locked* | *busy*)	# being busy is no reason to give up
		return 0
		;;
	0)
		feed_why="$feed_db is no database of Tidings: no table changes"
		;;
	*)
		feed_why="$feed_db cannot be read: $feed_why"
		;;
	esac
	return 1
}

feed_close()
{
	[ -n "$feed_pid" ] || return 0
	exec 3>&- 4<&-
	kill "$feed_pid" 2>/dev/null
	wait "$feed_pid" 2>/dev/null
	feed_pid=
}

# Starts the sqlite3 shell; it writes to us on 4 and reads from us on 3.
feed_open()
{
	feed_check || return 1
	feed_inode=$(ls -diL -- "$feed_db" 2>/dev/null)
	if ! feed_dir=$(mktemp -d) || ! mkfifo "$feed_dir/in" "$feed_dir/out"
	then
		feed_why='no FIFO can be made where temporary files are'
		return 1
	fi
	$feed_as sqlite3 -batch -init /dev/null "$feed_uri" \
	    <"$feed_dir/in" >"$feed_dir/out" 2>&1 &
	feed_pid=$!
	exec 3>"$feed_dir/in" 4<"$feed_dir/out"
	rm -rf "$feed_dir"
	feed_dir=
	echo '.timeout 2000' >&3
}

# Root opens no files in a folder of somebody else, who may plant links there.
feed_choose_user()
{
	[ "$(id -u)" = 0 ] || return 0
	# What holds it, a link that leads to it, and the file.
	for feed_of in "$(stat -Lc '%u %g' -- "$(dirname -- "$feed_db")" 2>/dev/null)" \
	    "$(stat -c '%u %g' -- "$feed_db" 2>/dev/null)" \
	    "$(stat -Lc '%u %g' -- "$feed_db" 2>/dev/null)"; do
		case $feed_of in '' | '0 '*) continue ;; esac
		feed_as="setpriv --reuid=${feed_of% *} --regid=${feed_of#* } --clear-groups"
		return
	done
}

feed_begin()
{
	feed_name=$1
	feed_db=$2
	feed_choose_user
	# The directory anchors a relative name; %, ? and # are magic in a URI.
	feed_uri="file:$(printf '%s\n' "$feed_db" |
	    sed 's/%/%25/g; s/?/%3f/g; s/#/%23/g')?mode=rw"
	trap feed_end TERM INT HUP
	trap '' PIPE		# the death of sqlite3 is seen when reading
	if ! command -v sqlite3 >/dev/null; then
		feed_say 'the sqlite3 shell is needed (package sqlite3)'
		exit 1
	fi
	if ! feed_open; then
		feed_say "$feed_why"
		exit 1
	fi
}

feed_send()
{
	# Was the file replaced, or did sqlite3 die?
	if [ "$(ls -diL -- "$feed_db" 2>/dev/null)" != "$feed_inode" ]; then
		feed_close
	fi
	if [ -z "$feed_pid" ] && ! feed_open; then
		feed_inode=
		feed_complain "$feed_why; waiting for it"
		return
	fi

	printf '%s\n%s\n' "$1" "SELECT 'next ' ||
	    printf('%.3f', 1.001 - substr(strftime('%f', 'now'), 3));" \
	    >&3 2>/dev/null
	feed_error=
	while IFS= read -r feed_line <&4; do
		case $feed_line in
		'next '*)
			feed_wait=${feed_line#next }
			if [ -z "$feed_error" ] && [ -n "$feed_trouble" ]; then
				feed_say 'all is well again'
				feed_trouble=
			fi
			return
			;;
		esac
		# "Runtime error near line 7: database is locked (5)"
		feed_error=${feed_line#*near line [0-9]*: }
		feed_complain "$feed_error"
	done
	feed_complain 'the sqlite3 shell has ended; starting it again'
	feed_close
}

feed_sleep()
{
	# In the background, so that a signal is heeded at once.
	sleep "${1:-$feed_wait}" 3>&- 4<&- &
	wait $!
	feed_wait=1
}
