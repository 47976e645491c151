# SPDX-License-Identifier: BSD-3-Clause
# A program without libc, by the mount only.
. "${0%/*}/lib.sh"

b=$(command -v busybox)
$b mkdir -p a/b
$b seq 10000 >seq
$b cp seq a/b/copy
$b sort -rn seq >sorted
$b head -n 3 sorted
$b tar -cf t.tar a seq
$b mkdir out
$b tar -C out -xf t.tar
# It has times in it.
rm t.tar
$b diff -r a out/a && echo 'the same'
$b find out | $b sort
$b sed -i s/7/seven/ out/seq
$b grep -c seven out/seq
$b ln -s seq soft
$b mv out/seq moved
$b dd if=seq of=dd bs=1000 seek=3 2>/dev/null
$b sha256sum dd moved
$b awk '{ n += $1 } END { print n }' seq
$b gzip -c seq | $b gunzip | $b cmp - seq
$b rm -r a
$b ls -R
did 19 commands
