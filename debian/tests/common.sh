# Functions of the package's tests. Each test makes a site of its own on 127.0.0.1 below
# $AUTOPKGTEST_TMP, and removes it at its end.

set -eu

# curl has no exception for 127.0.0.1.
export no_proxy='*'

name=$(basename "$0")
folder=${AUTOPKGTEST_TMP:-$(mktemp -d)}/$name
site=/etc/apache2/sites-available/passenger-test-$name.conf

# Also where no init system runs.
reload_httpd() {
    if [ -d /run/systemd/system ]; then
        systemctl reload-or-restart apache2
    else
        apache2ctl graceful
    fi
}

remove_site() {
    status=$?
    [ "$status" = 0 ] || tail -n 50 /var/log/apache2/error.log >&2
    a2dissite --quiet "passenger-test-$name" >/dev/null || true
    rm -f "$site"
    reload_httpd || true
    rm -rf "$folder"
    exit "$status"
}

# make_site PORT [DIRECTIVE...]: a virtual host whose document root is $folder/public.
make_site() {
    port=$1
    shift
    mkdir -p "$folder/public"
    chmod 755 "$(dirname "$folder")" "$folder" "$folder/public"
    chown -R www-data: "$folder"
    trap remove_site EXIT
    {
        echo "Listen 127.0.0.1:$port"
        echo "<VirtualHost 127.0.0.1:$port>"
        echo "DocumentRoot $folder/public"
        echo "<Directory $folder/public>"
        echo "Require all granted"
        echo "</Directory>"
        printf '%s\n' "$@"
        echo "</VirtualHost>"
    } >"$site"
    a2ensite --quiet "passenger-test-$name"
    apache2ctl configtest
    reload_httpd
}

# expect PORT TEXT: the site's answer. httpd may just be starting.
expect() {
    answer=$(curl --silent --show-error --fail --retry 10 --retry-connrefused --max-time 120 "http://127.0.0.1:$1/")
    [ "$answer" = "$2" ] || {
        echo "The answer is \"$answer\", not \"$2\"" >&2
        exit 1
    }
    echo "The application answers: $answer"
}
