#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# programs.sh - real programs under libumfs: coreutils, the shell, python3.
# Each result is compared with what the same commands do on tmpfs.
# Programs that use stdio streams (sort, sha256sum) and external commands with
# redirections into the directory are not here: both are refused so far.

. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)

make_pool 256M
tmpfs=$work/tmpfs
mkdir "$tmpfs"
export LC_ALL=C

# What both runs print must be the same; the directory's name is taken out.
same() {
	name=$1
	on_tmpfs=$(cd / && DIR=$tmpfs sh -ec "$2" 2>&1 | sed "s|$tmpfs|DIR|g")
	on_umfs=$(cd / && DIR=$mnt u sh -ec "$2" 2>&1 | sed "s|$mnt|DIR|g")
	is "$name" "$on_tmpfs" "$on_umfs"
	[ -n "$on_tmpfs" ] || fail "$name: prints nothing, so it shows nothing"
}

same "redirection in the shell" '
	echo one >$DIR/f; echo two >>$DIR/f; { echo three; echo four; } >>$DIR/f
	while read -r line; do echo "[$line]"; done <$DIR/f; cat $DIR/f'
same "cat, head, tail, wc" '
	seq 10000 | dd of=$DIR/seq bs=4096 status=none
	cat $DIR/seq $DIR/f | tail -n 5; head -n 3 $DIR/seq; tail -c 12 $DIR/seq; wc $DIR/seq; wc -c $DIR/f'
same "cp and cmp" '
	cp /bin/ls $DIR/ls; cmp /bin/ls $DIR/ls && echo same
	cp $DIR/ls $DIR/ls2; cmp $DIR/ls $DIR/ls2 && echo same
	cp -p $DIR/ls $DIR/ls2; rm $DIR/ls2; cp -a $DIR/ls $DIR/ls3; stat -c "%a %s %F" $DIR/ls3'
same "cp out of the directory" '
	cp $DIR/ls /dev/shm/umfs-programs-$$; cmp /bin/ls /dev/shm/umfs-programs-$$ && echo same
	rm /dev/shm/umfs-programs-$$'
same "cp of a sparse file" '
	truncate -s 5M $DIR/sparse; echo end >>$DIR/sparse; cp $DIR/sparse $DIR/sparse2
	cmp $DIR/sparse $DIR/sparse2 && echo same; stat -c %s $DIR/sparse2'
same "mv" '
	mv $DIR/ls2 $DIR/moved; mv $DIR/moved $DIR/ls3; mkdir $DIR/into; mv $DIR/ls3 $DIR/f $DIR/into
	mv -n $DIR/seq $DIR/into/ls3; ls $DIR $DIR/into; mv $DIR/into/f $DIR/f'
same "mv across" '
	mv $DIR/into/ls3 /dev/shm/umfs-programs-$$; ls $DIR/into; mv /dev/shm/umfs-programs-$$ $DIR/back
	cmp /bin/ls $DIR/back && echo same'
same "ln" '
	ln $DIR/f $DIR/hard; ln -s f $DIR/soft; ln -s /etc/passwd $DIR/out; ln -sf nowhere $DIR/soft2
	stat -c "%h %F %N" $DIR/hard $DIR/soft $DIR/soft2; readlink -f $DIR/soft; readlink $DIR/out
	head -c 5 $DIR/out; cat $DIR/soft; cat $DIR/soft2 || echo dangling'
if [ -z "${UMFS_PRELOAD:-}" ]; then
	same "dd, odd sizes" '
		dd if=/dev/zero of=$DIR/dd bs=10007 count=100 status=none
		printf xyz | dd of=$DIR/dd bs=1 seek=5000 conv=notrunc status=none
		dd if=$DIR/dd bs=1 skip=4998 count=7 status=none | od -c; stat -c %s $DIR/dd
		dd if=/dev/zero of=$DIR/dd bs=1k count=3 oflag=append conv=notrunc,fsync status=none
		stat -c %s $DIR/dd'
else
	echo "dd only in whole pages: the sanitizer ends it for its use of aligned_alloc"
fi
same "dd" '
	dd if=/dev/urandom of=$DIR/dd bs=4096 count=100 status=none; cp $DIR/dd $DIR/dd2
	dd if=/dev/zero of=$DIR/dd bs=8192 count=3 seek=2 conv=notrunc,fsync status=none
	dd if=$DIR/dd bs=4096 skip=4 count=6 status=none | od -c; stat -c %s $DIR/dd
	dd if=$DIR/dd2 of=$DIR/dd bs=4096 oflag=append conv=notrunc status=none; stat -c %s $DIR/dd
	dd if=$DIR/dd of=$DIR/dd3 bs=64k iflag=fullblock status=none; cmp $DIR/dd $DIR/dd3 && echo same'
same "truncate" '
	truncate -s 100 $DIR/t; truncate -s +50 $DIR/t; truncate -s "<120" $DIR/t; stat -c %s $DIR/t
	truncate -s 0 $DIR/t; stat -c "%s %b" $DIR/t'
same "mkdir, rmdir" '
	mkdir -p $DIR/a/b/c; mkdir -m 700 $DIR/m; stat -c "%a %F" $DIR/m $DIR/a/b
	mkdir $DIR/a || echo there; rmdir $DIR/a 2>/dev/null || echo not empty; rmdir -p $DIR/a/b/c 2>/dev/null
	ls $DIR | grep -c "^a$" || true'
same "touch and dates" '
	touch -d "2001-02-03 04:05:06.789 UTC" $DIR/d; stat -c "%.3Y" $DIR/d; touch -r $DIR/d $DIR/e
	stat -c %Y $DIR/e; touch -c $DIR/none; test -e $DIR/none || echo none'
same "chmod" '
	touch $DIR/p; chmod 640 $DIR/p; chmod u+x,o=r $DIR/p; stat -c %a $DIR/p; chmod -R g-r $DIR/into; test -x $DIR/p && echo x'
same "tests of the shell" '
	test -f $DIR/f && test -d $DIR/into && test -L $DIR/soft && test -s $DIR/f && test ! -e $DIR/no && echo right
	test $DIR/f -ef $DIR/hard && echo the same file; test -w $DIR/f && test -r $DIR/f && echo rw'
same "ls" '
	ls $DIR; ls -a $DIR | head -n 2; ls -F $DIR/into; ls -d $DIR/*t*; ls $DIR/no 2>&1 || true'
same "cd" '
	cd $DIR/into; pwd; ls ..  | head -n 3; cd ..; pwd -P; echo x >into/rel; cat ./into/../into/rel
	cd /; cd $DIR; rm into/rel; ls into; pwd; cd $DIR/no 2>/dev/null || echo no'
same "subshells and pipes" '
	cd $DIR; (cd into && echo sub >sub); cat into/sub; echo $(cat f) | tr a-z A-Z; rm into/sub
	for i in 1 2 3; do echo $i; done >loop; cat loop; exec 3<loop; read a <&3; read b <&3; echo $a $b; exec 3<&-'
same "a tree" '
	cp -r /usr/include/linux $DIR/tree; find $DIR/tree -type f | wc -l; diff -r /usr/include/linux $DIR/tree && echo the same
	cp -a $DIR/tree $DIR/tree2; diff -r $DIR/tree $DIR/tree2 && echo the same
	du -s --apparent-size $DIR/tree >/dev/null && rm -r $DIR/tree && ls $DIR/tree2 | head -n 3; rm -rf $DIR/tree2; ls -d $DIR/tree* || echo gone'
same "from the directory around it" '
	top=$(basename $DIR); cd $(dirname $DIR); mkdir $DIR/tree; echo text >$DIR/tree/f; ln -s tree/f $DIR/link
	tar -C . -cf - --sort=name $top/tree $top/link | tar tf - | sed "s/^$top/TOP/"
	(cd /; find ${DIR%/*}/./$top/tree ${DIR%/*}/./$top/link | sort | sed "s/$top/TOP/")
	tar -C $PWD --one-top-level=$top/out -cf - $top/tree | tar -C $top -xf - && cat $top/$top/tree/f
	mkdir -p $DIR/from/$top/new; echo more >$DIR/from/$top/new/g; cp -r $DIR/from/$top . && cat $DIR/new/g
	rm -r $top/tree $top/link $top/$top $top/new $top/from; ls $DIR | wc -l'
if command -v setfattr && command -v setfacl && command -v rsync; then
	same "extended attributes" '
		echo x >$DIR/x; setfattr -n user.one -v first $DIR/x; setfattr -n user.two -v second $DIR/x
		getfattr --absolute-names -d $DIR/x | sort; setfattr -x user.one $DIR/x; setfattr -x user.one $DIR/x || echo none
		cp -a $DIR/x $DIR/x2; getfattr --absolute-names -d $DIR/x2; cp $DIR/x $DIR/x3; getfattr -d $DIR/x3
		mkdir $DIR/xd; setfattr -n user.dir -v d $DIR/xd; ln -s ../x $DIR/xd/l; cp -a $DIR/xd $DIR/xd2
		getfattr --absolute-names -R -d $DIR/xd2 | sort; mv $DIR/x2 $DIR/xd
		rsync -aX $DIR/xd/ $DIR/xd3; getfattr --absolute-names -R -d $DIR/xd3 | sort; rm -r $DIR/xd2 $DIR/xd3'
	same "attributes across" '
		t=$(mktemp -d -p /dev/shm); cp -a $DIR/xd $t/out; getfattr -R -d $t/out/x2 2>/dev/null | grep user
		cp -a $t/out $DIR/back2; getfattr --absolute-names -d $DIR/back2/x2; rm -r $t $DIR/back2'
	same "access control lists" '
		chmod 640 $DIR/x; getfacl -cp $DIR/x; setfacl -m u:9:rw $DIR/x; getfacl -cp $DIR/x; stat -c %a $DIR/x
		cp -p $DIR/x $DIR/x4; getfacl -cp $DIR/x4; stat -c %a $DIR/x4; setfacl -d -m g:7:r $DIR/xd; getfacl -cp $DIR/xd
		ls -l $DIR/x4 | cut -c 1-11; setfacl -b $DIR/x; getfacl -cp $DIR/x; stat -c %a $DIR/x; setfacl -k $DIR/xd
		getfacl -cp $DIR/xd; rm -r $DIR/x $DIR/x3 $DIR/x4 $DIR/xd'
else
	echo "without setfattr, setfacl or rsync: attributes are left out here"
fi
same "sync" 'sync; sync $DIR/f; sync -f $DIR/f; echo done'
same "mktemp" 't=$(mktemp -d $DIR/tmp.XXXX); touch $t/f; mktemp -p $t >/dev/null; ls $t | wc -l; rm -r $t; echo gone'
same "rm" 'rm $DIR/hard $DIR/soft; rm $DIR/into 2>/dev/null || echo a directory; rm -f $DIR/no; ls $DIR | wc -l'
same "df" 'df $DIR >/dev/null && echo df'
check_pool "the programs"

# ---- git: maps its index and packs ----

if command -v git >/dev/null; then
	same "git" '
		export HOME=$DIR GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat
		export GIT_AUTHOR_DATE="2001-02-03 04:05:06 +0000" GIT_COMMITTER_DATE="2001-02-03 04:05:06 +0000"
		git init -q -b main $DIR/repo; cd $DIR/repo
		git config user.name me; git config user.email me@example.org
		cp -r /usr/include/linux/netfilter .; seq 100000 >numbers
		git add .; git commit -q -m first; git log --format="%H %s"; git status --short
		echo more >>numbers; git diff --stat; git commit -q -a -m second
		git gc -q; git fsck; git log --format="%H %s"; git clone -q . $DIR/clone
		diff -r netfilter $DIR/clone/netfilter && echo the same; rm -rf $DIR/repo $DIR/clone'
	check_pool git
else
	echo "no git here: not tried"
fi

# ---- python3 ----

for dir in "$tmpfs" "$mnt"; do
	mkdir -p "$tmpfs/py"
	[ "$dir" = "$mnt" ] && u mkdir "$mnt/py"
	if [ "$dir" = "$mnt" ]; then
		ok "python3, os module, on UMFS" u python3 "$here/os_module.py" "$dir/py"
	else
		ok "python3, os module, on tmpfs" python3 "$here/os_module.py" "$dir/py"
	fi
done
check_pool python3

same "python3, mmap" '
	python3 -c "
import mmap, os, sys
f = open(sys.argv[1] + \"/map\", \"w+b\"); f.truncate(100000)
m = mmap.mmap(f.fileno(), 0); m[5:10] = b\"hello\"; m.flush()
f.seek(5); print(f.read(5)); m.resize(300000); m[299990:] = b\"0123456789\"
print(os.stat(f.fileno()).st_size, m.find(b\"789\")); m.close()
print(open(sys.argv[1] + \"/map\", \"rb\").read()[-4:])" $DIR'
check_pool "python3, mmap"

finish
