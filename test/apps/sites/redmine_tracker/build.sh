#!/bin/sh
# Copies Debian's Redmine into this folder, with an instance and a database of its own.
set -e
rm -rf app config lib instances public
cp -r /usr/share/redmine/. .
rm instances
mkdir -p tmp log instances/default/config instances/default/log instances/default/tmp instances/default/files
rm config/database.yml
cat >config/database.yml <<YAML
production:
  adapter: sqlite3
  database: instances/default/redmine.sqlite3
YAML
cp config/database.yml instances/default/config/
printf '%0128d' 7 >instances/default/config/secret_key.txt
export RAILS_ENV=production REDMINE_LANG=en
bin/rails db:migrate
bin/rails redmine:load_default_data
