# SPDX-License-Identifier: BSD-3-Clause
# coreutils: each program that deals with files, on files.
. "${0%/*}/lib.sh"

umask 022
n=0
# t COMMAND: one line of shell; its exit code is compared as well.
t() {
	local code=0
	bash -c "$1" 2>&1 | sed "s|$DIR|DIR|g" || code=$?
	echo "= ${PIPESTATUS[0]} $code"
	n=$((n + 1))
}
t 'seq 1 20000 >seq; wc seq'
t 'shuf --random-source=seq -o shuffled seq; sort -n -o sorted shuffled; cmp sorted seq'
t 'sort -S 64K -T . -r seq | sha256sum; ls'
t 'sort --parallel=2 -S 100K -T . shuffled >byname; sort -c byname && sort -m byname byname | uniq -d | wc -l'
t 'split -l 3000 seq part.; ls part.*; cat part.* | cmp - seq; rm part.*'
t 'csplit -s -f cs seq 500 1000; wc -l cs*; rm cs*'
t 'split -b 10K --filter="gzip >\$FILE.gz" seq z.; zcat z.*.gz | cmp - seq; rm z.*'
t 'head -n 3 seq; tail -n 3 seq; tail -c 10 seq; head -c -108880 seq; tail -n +19999 seq'
t 'paste seq seq | head -n 2; join seq seq | wc -l; comm -12 byname byname | wc -l'
t 'cut -c 2- seq | tail -n 1; tr 0-9 a-j <seq | tail -n 1; fold -w 3 seq | wc -l; nl seq | tail -n 1'
t 'tac seq | head -n 2; rev seq | tail -n 1; expand seq | cmp - seq; od -An -tx1 seq | tail -n 1'
t 'for s in md5sum sha1sum sha256sum sha512sum b2sum cksum sum; do $s seq; done; sha256sum seq byname >sums; sha256sum -c sums'
t 'base64 seq >b64; base64 -d b64 | cmp - seq; base32 seq | base32 -d | cmp - seq'
t 'cp seq c1; cp -p seq c2; cp --reflink=auto seq c3; cp --sparse=always seq c4; cp -l seq c5; cp -s "$PWD/seq" c6; cp -n c1 c2; cp -u c1 c2; cp --backup=numbered c1 c2; ls -1F c*'
t 'cp --reflink=always seq c7; ls c7'
t 'stat -c "%n %F %s %h %a" c*; cmp c1 c4; readlink c6 | sed "s|.*/||"; rm c*'
t 'mkdir -p a/b/c/d; cp -r a a2; cp -a a a3; echo x >a/b/f; ln -s b a/l; cp -rL a a4; cp -rP a a5; ls -RF a4 a5; cp --parents a/b/f a3; find a3 | sort'
t 'install -m 751 -D seq i/n/s/t; install -d i/dir; stat -c "%a %n" i/n/s/t i/dir'
t 'mv a5 a6; mv -v seq seq2; mv seq2 a6; mv -t . a6/seq2; mv -b seq2 seq; mv -n byname seq; mv -T a6 a7; ls -d a* seq* byname'
t 'mv a nothere/x; mv a a2/b/../../a7; mv a2 a2/b; ls -d a*'
t 'ln seq hard; ln -s seq soft; ln -sf hard soft; ln -sr a2/b rel; ln -P soft soft2; readlink soft rel; readlink -f soft2; realpath --relative-to=. rel; ln seq; link seq hard2; unlink hard2; stat -c %h seq'
t 'touch -d "2001-02-03 04:05:06.789012345" d; touch -r d e; touch -a -d @5 e; stat -c "%y %X %n" d e; touch -c none; touch -h -d @7 soft; stat -c %Y soft; date -r d +%F'
t 'truncate -s 1M big; truncate -s -5 big; truncate -s %4096 big; truncate -r seq big; stat -c %s big; fallocate -l 100K big; stat -c %s big'
t 'dd if=seq of=dd bs=1000 count=7 skip=3 status=none; dd if=/dev/zero of=dd bs=100 seek=10 count=2 conv=notrunc status=none; sha256sum dd; dd if=dd of=dd2 ibs=512 obs=4096 conv=sync,ucase status=none; stat -c %s dd2'
t 'dd if=seq of=dd3 bs=4k oflag=direct,sync status=none; dd if=seq of=dd3 bs=64K conv=fsync,nocreat status=none; cmp seq dd3; dd if=seq of=dd3 iflag=skip_bytes skip=7 oflag=append conv=notrunc status=none; stat -c %s dd3; dd if=seq iflag=count_bytes count=30 status=none'
t 'chmod 640 dd; chmod u+s,g-w,o=x dd2; chmod -R a-x,a+X a2; chmod --reference=dd dd3; stat -c "%A %n" dd dd2 dd3 a2; chmod 7777 a7; stat -c %a a7; chmod 755 a7'
t 'chown "$(id -u):$(id -g)" dd; chgrp -h "$(id -g)" soft; stat -c %h dd'
t 'mkfifo -m 600 fifo; stat -c "%F %a" fifo; test -p fifo; mktemp -p . tmp.XXXX | wc -c; mktemp -d -p . dir.XXXX | wc -c; mktemp -u ./x.XXX | wc -c; rm -r tmp.* dir.*'
t 'rmdir a7; rmdir a2; rmdir -p a2/b/c/d; mkdir a3; mkdir -m 1700 m; stat -c %a m; rmdir m --verbose'
t 'ls -l --time-style=+%s d e | cut -c 1-10; ls -a | head -n 2; ls -i seq | wc -w; ls -1S | head -n 3; ls -p; ls -d .; ls -R a3 | wc -l; ls -s --block-size=1 nothere; dir | wc -w; vdir a3 | wc -l'
t 'find a3 -type f -exec du -b {} + | sort; du -s . | wc -w; df --output=size . | wc -l; df -i . | wc -l'
t 'tee t1 t2 <seq | wc -l; tee -a t1 <seq >/dev/null; wc -l t1 t2; rm t1 t2'
t 'test -f seq -a -d a3 -a -L soft -a -s seq -a ! -s nothere; test seq -ef hard; test seq -nt d; test -r seq -a -w seq; test -k a7; test -u dd2; [ -h rel ]'
t 'cat seq seq - <seq | wc -c; cat nothere; cat a3; cat <seq >>seq.copy; cmp seq seq.copy; rm seq.copy'
t 'cat seq >>seq; wc -l <seq; truncate -s 108894 seq'
t 'sync seq; sync -d seq; sync -f seq; sync a3'
t 'shred -n 1 -u dd3; ls dd3; shred -n 1 -z dd2; stat -c %s dd2'
t 'ptx seq | wc -l; pr -l 60 seq | wc -l; fmt seq | wc -l; tsort <<<"a b" ; uniq -c byname | wc -l; numfmt --to=si <seq | tail -n 1; factor <seq | tail -n 1'
t 'pathchk -p nam; basename "$PWD/seq" q; dirname a/b; pwd | sed "s|.*/||"; nohup true; env -C a3 ls; stdbuf -oL head -n 1 seq'
# Until another process has ended: how fast either is does not matter.
t 'sleep 0.2 & tail -s 0.05 --pid=$! -f seq | tail -n 1; tail -n 1 --pid=$$ seq; : >followed; (sleep 0.2; echo appended >>followed) & tail -n +1 -s 0.05 ---disable-inotify --pid=$! -f followed; wait'
t 'rm seq; rm -d a7; rm -f nothere; rm a3; rm -r a3 a2; rm -rf a4; rm -v hard; rm -I rel; ls'
t 'mkdir many; (cd many; seq 3000 | xargs touch); ls many | wc -l; ls -U many | sort -n | tail -n 1; rm -r many/1*; ls many | wc -l; rm -rf many'
t 'for i in $(seq 60); do mkdir deep$i; cd deep$i; done; pwd | wc -c >/dev/null; touch end; cd ../..; ls -R . | wc -l; cd "$DIR"; find deep1 -depth | head -n 1 | tr -d "0-9/" ; rm -r deep1'
rm -f fifo
# Its bytes are random.
rm -f dd2
did $n lines
