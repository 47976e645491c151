#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# programs.sh - real programs on the mount; what they leave is compared with what
# they leave on tmpfs.

. "$(dirname "$0")/lib.sh"

make_pool 512M
tmpfs=$work/tmpfs
mkdir "$tmpfs"
ok "mount" m
export LC_ALL=C TZ=UTC PATH=/usr/bin:/bin:/usr/sbin:/sbin GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_DATE="2020-01-01T00:00:00Z" GIT_COMMITTER_DATE="2020-01-01T00:00:00Z"
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
cd "$work" || exit 2

# Names, types, modes, link counts of files, targets and bytes.
tree() {
	(
		cd "$1" && find . -not -type d -printf '%P %y %m %n %s %l\n' -o -printf '%P d %m\n' | sort
		find . -type f -print0 | sort -z | xargs -0 -r sha256sum
	) | sha256sum
}

# same NAME COMMANDS: in $DIR, on tmpfs and on the mount; same output, same tree.
same() {
	echo "$1 ($(date +%s) s)"
	mkdir -p "$tmpfs/$1" "$mnt/$1"
	on_tmpfs=$(cd "$tmpfs/$1" && DIR=$tmpfs/$1 timeout 120 sh -ec "$2" 2>&1 | sed "s|$tmpfs|DIR|g")
	on_mount=$(cd "$mnt/$1" && DIR=$mnt/$1 timeout 120 sh -ec "$2" 2>&1 | sed "s|$mnt|DIR|g")
	is "$1" "$on_tmpfs" "$on_mount"
	is "$1: tree" "$(tree "$tmpfs/$1")" "$(tree "$mnt/$1")"
	[ -n "$(ls -A "$tmpfs/$1")" ] || fail "$1: leaves nothing, so it shows nothing"
}

have() {
	command -v "$1" >/dev/null || {
		echo "not tried: $1 is not installed"
		return 1
	}
}

same tar '
	mkdir tree; cp -r /usr/include/linux/[f-g]* /usr/include/linux/usb tree; mkfifo tree/fifo; ln -s nowhere tree/soft; ln tree/fs.h tree/hard
	chmod 700 tree/usb; touch -d "2001-02-03 04:05:06.789 UTC" tree/fs.h; truncate -s 3M tree/sparse
	tar cf t.tar --sort=name --mtime=@0 --owner=0 --group=0 tree; mkdir out; tar xpf t.tar -C out
	tar df t.tar -C out | grep -v "Mod time" | wc -l; diff -r tree/usb out/tree/usb && echo same
	stat -c "%y %h" tree/fs.h; du --apparent-size -s out >/dev/null; rm -r tree; find . | wc -l'
have rsync && same rsync '
	mkdir from; cp -a /usr/include/linux/[f-k]*.h from; ln from/fs.h from/hard; ln -s x from/soft; setfattr -n user.a -v b from/fs.h
	rsync -aHX from/ to; diff -r --no-dereference from to && echo same; getfattr -n user.a --only-values to/fs.h; echo
	echo more >>from/fs.h; rm from/kd.h; rsync -aHX --delete from/ to; diff -r --no-dereference from to && echo same'
have git && same git '
	git init -q -b main r; mkdir r/linux; cp /usr/include/linux/[f-i]*.h r/linux; cd r; git add .; git commit -qm one
	echo text >linux/new; git rm -q linux/fs.h; git add .; git commit -qm two; git log --oneline
	git gc -q; git fsck 2>&1; git checkout -q HEAD~1; ls linux/fs.h; git checkout -q main; git status -s
	cd ..; git clone -q r c 2>&1; diff -r r/linux c/linux && echo same; rm -rf r/.git c/.git'
have sqlite3 && same sqlite '
	for mode in delete truncate persist memory; do
		sqlite3 $mode.db "PRAGMA journal_mode=$mode; CREATE TABLE t(a, b);
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
			INSERT INTO t SELECT i, hex(i * 7919) FROM n; DELETE FROM t WHERE a % 3 = 0; VACUUM;
			SELECT count(*), sum(a) FROM t; PRAGMA integrity_check;"
	done
	sqlite3 wal.db "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; CREATE TABLE t(a);
		INSERT INTO t VALUES(1); SELECT * FROM t;"; rm wal.db*
	for db in *.db; do sqlite3 $db .dump >$db.sql; done; rm *.db *-journal; ls'
same python "/usr/bin/python3 '$here/files.py'"
same programs 'cp /bin/cat ./mycat; printf "#!$DIR/mycat\ntext\n" >script; chmod +x script mycat; ./script | tail -n 1
	cp /bin/sh ./mysh; { ./mysh -c "echo one"; ./mysh -c "echo two"; } >out; cat out; rm script'

# No shared mapping that could go stale.
is "a shared mapping" 19 "$(/usr/bin/python3 "$here/files.py" "$mnt/programs/mycat")"

if have fio; then
	for engine in psync sync vsync pvsync2; do
		ok "fio $engine" timeout 200 fio --name=v --directory="$mnt" --ioengine=$engine --rw=randwrite \
			--bs=5000 --size=4m --numjobs=2 --thread \
			--verify=crc32c --do_verify=1 --verify_state_save=0 --verify_fatal=1 --minimal --output="$work/fio.out"
		ok "fio $engine: a result" grep -q '^3;' "$work/fio.out"
		rm -f "$mnt"/v.*
	done
fi
cd / || exit 2
um
check_pool "programs"

# And the same bytes when they are read without the mount.
kept=$(tree "$tmpfs")
is "the whole tree, preloaded" "$kept" "$(rmdir "$mnt"; u sh -c 'cd "$0" && { find . -not -type d -printf "%P %y %m %n %s %l\n" -o -printf "%P d %m\n" | sort
	find . -type f -print0 | sort -z | xargs -0 -r sha256sum; } | sha256sum' "$mnt")"
finish
