# SPDX-License-Identifier: BSD-3-Clause
# nginx: serves files in all its ways (sendfile, threads, direct), takes uploads, caches and logs.
. "${0%/*}/lib.sh"

nginx=$(command -v nginx || echo /usr/sbin/nginx)
sock=$WORK/nginx.sock
python3 - <<'END'
import os, random
rnd = random.Random(7)
os.makedirs("www/sub")
os.makedirs("www/list")
for i, size in enumerate((0, 1, 100, 4095, 4096, 100000, 1000000, 3000000)):
    open(f"www/f{i}", "wb").write(rnd.randbytes(size))
for i in range(50):
    open(f"www/list/{i}.html", "w").write(f"<p>{i}" * 100)
open("www/sub/index.html", "w").write("the index")
os.symlink("../f5", "www/sub/link")
os.symlink("/nowhere", "www/dangling")
END
mkdir put cache temp
touch www/old && touch -d @1000000000 www/f* www/list/* www/sub/*
chmod 777 put cache temp
user=
[ "$(id -u)" != 0 ] || user='user root root;'
cat >"$WORK/nginx.conf" <<END
daemon off; worker_processes 2; pid $WORK/pid; error_log $DIR/error.log warn; $user
events { worker_connections 64; }
http {
	access_log $DIR/access.log; default_type text/plain; open_file_cache max=10;
	client_body_temp_path $DIR/temp/body; client_max_body_size 10m; client_body_buffer_size 8k;
	proxy_temp_path $DIR/temp/proxy; fastcgi_temp_path $DIR/temp/f; uwsgi_temp_path $DIR/temp/u; scgi_temp_path $DIR/temp/s;
	proxy_cache_path $DIR/cache keys_zone=c:1m levels=1:2; proxy_buffers 4 4k;
	server {
		listen unix:$sock; root $DIR/www;
		location / { autoindex on; autoindex_exact_size on; }
		location /sendfile/ { alias $DIR/www/; sendfile on; tcp_nopush on; }
		location /plain/ { alias $DIR/www/; sendfile off; output_buffers 2 32k; }
		location /direct/ { alias $DIR/www/; directio 4k; }
		location /threads/ { alias $DIR/www/; aio threads; sendfile on; }
		location /gzip/ { alias $DIR/www/; gzip on; gzip_min_length 1; gzip_types text/plain; }
		location /put/ { alias $DIR/put/; dav_methods PUT DELETE MKCOL COPY MOVE; create_full_put_path on; }
		location /cached/ { proxy_pass http://unix:$sock:/; proxy_cache c; proxy_cache_valid 1h; }
	}
}
END
"$nginx" -p "$WORK" -c "$WORK/nginx.conf" 2>>"$WORK/err" &
server=$!
trap 'tail -n 20 error.log "$WORK/err" >&2' ERR
# The socket is there before it listens.
until_true env SOCK="$sock" python3 "$SCRIPTS/http_get.py" --one
SOCK=$sock python3 "$SCRIPTS/http_get.py" | tee "$WORK/answers"
grep -oE '(GET|HEAD|PUT|DELETE|MKCOL|COPY|MOVE) /' "$WORK/answers" >"$WORK/requests"
: >www/f1
kill -USR1 $server
sleep 0.2
kill -HUP $server
until_true env SOCK="$sock" python3 "$SCRIPTS/http_get.py" --one
kill -QUIT $server
wait $server
# Who asked what. Not how much was sent, nor how often: when a client has all of it and goes,
# nginx may not know yet that its thread has sent it, nor have it in its cache.
sed 's/.*\("[A-Z]* .*" [0-9]*\) .*/\1/' access.log | cut -d'"' -f 2,3 | sort -u
grep -c emerg error.log || true
find cache -type f | wc -l
find put -type f | sort
did "$(wc -l <"$WORK/requests")" requests
rm -r cache temp access.log error.log
