# SPDX-License-Identifier: BSD-3-Clause
# tar and rsync: a tree with every type of file is packed, unpacked and copied, in and out.
. "${0%/*}/lib.sh"

python3 - "$EFFORT" <<'END'
import os, random, socket, sys
rnd = random.Random(7)
os.mkdir("in")
os.chdir("in")
for d in range(20):
    os.makedirs(f"d{d}/deep/er", 0o750)
    for f in range(10):
        with open(f"d{d}/f{f}", "wb") as out:
            out.write(rnd.randbytes(rnd.choice((0, 1, 100, 4096, 5000, 70000))))
        os.chmod(f"d{d}/f{f}", rnd.choice((0o600, 0o644, 0o755, 0o4755, 0o2711, 0o444)))
        os.utime(f"d{d}/f{f}", (10**9 + f, 10**9 + d * 1000 + f))
    os.link(f"d{d}/f1", f"d{d}/deep/hard")
    os.symlink("../f2", f"d{d}/deep/soft")
os.symlink("/nowhere/at/all", "dangling")
os.symlink("x" * 4000, "long-link")
os.mkfifo("fifo", 0o622)
s = socket.socket(socket.AF_UNIX)
os.mknod("socket", 0o140700)
with open("sparse", "wb") as out:
    out.truncate(3000000)
    out.seek(1000000)
    out.write(b"in the middle")
    out.truncate(5000000)
for name in ("n" * 255, "new\nline", "-dash", " blank ", "st*r", "\u00fcml\u00e4ut", "back\\slash", "'q\""):
    with open(name, "w") as out:
        out.write(name)
p = "long"
for i in range(40):
    p += "/" + "component" * 5
os.makedirs(p)
with open(p + "/end", "w") as out:
    out.write("end")
os.mkdir("sticky")
os.chmod("sticky", 0o1777)
os.mkdir("empty", 0o700)
END
if [ "$(id -u)" = 0 ] && mknod "$WORK/node" c 1 3 2>/dev/null; then
	mknod in/char c 1 3
	mknod in/block b 7 3
	chown 1234:4321 in/d3/f3
	chown -h 77:88 in/dangling
fi
if setfattr -n user.note -v 'a note' in/d1/f1 2>/dev/null; then
	setfattr -n user.dir -v 'of a directory' in/d2
fi
find in -depth \( -type d -o -type f -newermt 2010-01-01 \) -exec touch -d @1000000000.5 {} +

listing() {
	(cd "$1" && find . -printf '%p %y %m %n %U %G %l' \( -type f -printf ' %s %T@' -o -true \) -printf '\n' | sort)
}
# Only root makes devices.
count=$(find in ! -type b ! -type c | wc -l)
listing in
for format in gnu pax; do
	tar --format=$format --xattrs --xattrs-include='*' -S --sort=name -cf t.tar in
	tar tvf t.tar | wc -l
	mkdir out
	tar --xattrs --xattrs-include='*' -C out -xpf t.tar
	listing out/in
	tar -C out -df t.tar && echo "no difference"
	rm -r out t.tar
done
tar -czf t.tgz in/d*
mkdir "$WORK/out"
other tar -C "$WORK/out" -xzf t.tgz
diff -r in/d5 "$WORK/out/in/d5" && echo out
tar -C "$WORK/out" -cf - in | tar -C "$DIR" -xpf - --one-top-level=back
rm -r t.tgz
did $((4 * count)) files by tar

rsync -aHXS --devices --specials in/ copy
listing copy
rsync -aHXS --devices --specials --checksum --itemize-changes --delete in/ copy
echo changed >>in/d4/f4
touch -d @1100000000.25 in/d4/f4
rm -r in/d6
rsync -aHXS --devices --specials --itemize-changes --delete --inplace in/ copy | grep -v '^\.d' | sort
listing copy
rsync -a --delete copy/ "$WORK/rsync"
other rsync -a --checksum --link-dest="$DIR/copy" "$WORK/rsync/" linked
find linked -type f -links +2 | wc -l
rsync -a --partial --append-verify --bwlimit=0 -e none in/d1 partial
did $((3 * count)) files by rsync
