# SPDX-License-Identifier: BSD-3-Clause
# bash: shared redirections, here-documents, descriptors by number, and processes that share a position.
. "${0%/*}/lib.sh"

# The position belongs to the open file, whoever writes.
{ echo one; (echo two); bash -c 'echo three'; cat <<<four; } >shared
{ read -r a; bash -c 'read -r b; echo "in a child: $b"'; read -r c; echo "$a $c"; } <shared
exec 3>log 4>&3
echo to three >&3; echo to four >&4; bash -c 'echo inherited >&3'; (echo subshell; exec 3>&-) >&4
exec 3>&-
echo still open >&4
exec 4>&-
cat log
exec 5<>both
printf '%s\n' alpha beta gamma >&5
exec 5<&- 5<both 6<&5
read -r x <&5; read -r y <&6; echo "$x $y"; exec 5<&- 6<&-
did 11 descriptors

for ((i = 0; i < (EFFORT ? 40 : 4); i++)); do
	cat >"here-$i" <<-END
		line of $i with ${#HOME} $((i * i)) $(echo substituted)
		$(seq $i)
	END
	cat <<'END' >>"here-$i"
$quoted `nothing` \n
END
done
# Longer than a pipe holds: bash makes a temporary file of it.
TMPDIR=$DIR
wc -c <<<"$(seq 30000)"
wc -l <<END
$(seq 40000)
END
did $((EFFORT ? 42 : 6)) here-documents

# Several processes append to one file, each line whole; and to one description.
exec 7>>appended
for w in 1 2 3 4; do
	for ((i = 0; i < 50; i++)); do echo "writer $w line $i"; done >&7 &
	for ((i = 0; i < 50; i++)); do echo "other $w line $i" >>appended; done &
done
wait
exec 7>&-
sort -u appended | wc -l
sort -o appended appended
exec {fd}>numbered
echo "by a variable" >&$fd
exec {fd}>&-
mapfile -t lines <appended
echo ${#lines[@]}
coproc cat - shared
echo through >&"${COPROC[1]}"
eval "exec ${COPROC[1]}>&-"
cat <&"${COPROC[0]}"
wait || true
diff <(sort shared) <(sort -r shared) >/dev/null || echo differs
tee >(wc -c >counted) >(sed s/o/0/ >zeros) <shared >/dev/null
until_true test -s counted -a -s zeros
set -o noclobber
(echo x >shared) 2>/dev/null || echo "not over it"
echo x >|forced
set +o noclobber
cat >script <<'END'
#!/bin/bash
echo "script of $# in ${0##*/}" >>ran
exec 9<"$0"
read -r line <&9
echo "$line" >>ran
END
chmod +x script
./script a b c
(exec ./script "$@")
. ./script
cat ran
echo >&2 "nothing to see" 2>err
(echo out; echo err >&2) &>both-ways; cat both-ways
(ls nowhere 2>&1 >/dev/null || true) | wc -l
find . -name 'here-1*' -exec sh -c 'for f; do head -n 1 "$f" >>"$f"; done' - {} +
pushd / >/dev/null; popd >/dev/null; [ "$PWD" -ef "$DIR" ] && echo back
for f in here-*; do while read -r w _; do case $w in line) echo "$f"; esac; done <"$f"; done | wc -l
trap 'echo trapped >>trap' USR1
kill -USR1 $BASHPID; cat trap
( trap 'echo at exit >>trap' EXIT; exit 3 ) || echo $?; cat trap
history -s 'a command'; HISTFILE=$DIR/history; history -w; cat history
compgen -G 'here-?' | wc -l
(umask 027; : >masked; stat -c %a masked)
while :; do echo x; done >endless &
until_true test -s endless
stop KILL $!
rm endless
dash -ec 'exec 3>dash; echo a >&3; { echo b; } >&3; sh -c "echo c >&3"; exec 3>&-; cat dash'
did 30 constructs
