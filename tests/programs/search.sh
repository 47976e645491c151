# SPDX-License-Identifier: BSD-3-Clause
# find, grep, sed, awk and xargs: over the system's headers.
. "${0%/*}/lib.sh"

umask 022
n=0
t() {
	bash -c "$1" 2>&1 || echo "= $?"
	n=$((n + 1))
}
t 'cp -r /usr/include/linux tree; find tree -type f | wc -l'
t 'find tree -name "*.h" -size +8k -printf "%f %s\n" | sort'
t 'find tree -type d -empty; find tree -newer tree/fs.h -name x; find tree -maxdepth 1 -type d | sort'
t 'find tree -type f -perm -444 ! -perm -1 | wc -l; find tree -links 1 -type f | wc -l; find tree -samefile tree/fs.h'
t 'find tree -name "u*" -exec grep -l define {} + | sort; find tree -name "z*" -exec wc -l {} \; | sort; find tree -name fs.h -execdir pwd \; | sed "s|.*/||"'
t 'find -L tree -type l; find tree -regex ".*/[a-c].*[0-9]\.h" | sort | head; find tree -inum $(stat -c %i tree/fs.h)'
t 'find tree -type f -print0 | sort -z | xargs -0 -n 50 cat | sha256sum; find tree -type f | xargs -P 3 -n 20 wc -l | grep -vc total'
t 'grep -rn "FS_IOC_[GS]ETFLAGS" tree | sort; grep -rc EINVAL tree | grep -v ":0$" | sort; grep -rlZ inode tree | sort -z | xargs -0 sha256sum | sha256sum'
t 'grep -r --include="in*.h" -h -o "IN_[A-Z]*" tree | sort | uniq -c | sort -rn | head -n 20; grep -L define -r tree | sort'
t 'grep -w -A2 -B1 -m 2 struct tree/stat.h; grep -E -c "^#define +[A-Z]+" tree/*.h | sort | tail -n 5; grep -F -x -f tree/fs.h tree/fs.h | wc -l; grep -z -c . tree/fs.h; zgrep -c x tree/fs.h'
t 'cd tree; sed -i "s/define/DEFINE/; /^$/d" *.h; sed -i.bak 1i\\first fs.h; diff fs.h fs.h.bak; grep -r -c DEFINE . | grep -vc ":0$"; sed -n "1,3p;\$p" stat.h; sed -n "/IN_/w in.txt" inotify.h; wc -l in.txt; sed -s -n "\$=" a*.h; sed "1r stat.h" fs.h | wc -l'
t 'sed -i -e "/struct/!d" $(find tree -name "b*.h"); find tree -name "b*.h" -print0 | sort -z | xargs -0 cat | sha256sum'
t 'awk "{ print length > \"lengths\" } END { print NR }" tree/fs.h; awk "FNR==1 { f++ } END { print f }" tree/*.h; awk "{ n[\$1]++ } END { for (k in n) print n[k], k }" tree/*.h | sort -rn | head -n 5; awk "BEGIN { while ((getline l < \"lengths\") > 0) s += l; print s }"'
t 'find tree -name "*.bak" -delete; find tree -depth -type d -name "net*" -exec rm -r {} \; ; find tree -type f | wc -l; find tree -name "k*" -ok rm {} \; </dev/null 2>&1 | tr -cd ? | wc -c; find tree -type f -fprint listed -fprintf sizes "%s\n" ; sort -o listed listed; sort -o sizes sizes; wc -l listed sizes'
t 'cmp tree/fs.h /usr/include/linux/fs.h | cut -d, -f1; diff -rq tree /usr/include/linux | sort | sha256sum; diff -u /usr/include/linux/stat.h tree/stat.h | tail -n +3 >p; cp /usr/include/linux/stat.h q; ls p q; comm -3 listed listed'
did $n lines
