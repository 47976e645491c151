# SPDX-License-Identifier: BSD-3-Clause
# perl: its own input and output, and what of its library deals with files.
. "${0%/*}/lib.sh"

perl "$SCRIPTS/library.pl"
perl -i.bak -pe 's/line/Line/' text
perl -ne 'print if /7{3}/' text | head -n 5
perl -0777 -ne 'print length' text
perl -e 'rename "text.bak", "moved"; chmod 0640, "moved"; utime 5, 6, "moved"; print join(",", (stat "moved")[2,7,9]), "\n"'
cat >script.pl <<'END'
#!/usr/bin/perl
print "run from there: ", scalar(<DATA>);
__DATA__
the data of it
END
chmod +x script.pl
./script.pl
did "$(grep -c '^sub test_' "$SCRIPTS/library.pl")" tests of its library
did 5 programs
