# frozen_string_literal: true

# Answers that take long without computing, like those of an application that waits for a database.
SECONDS = { '/short' => 0.002, '/page' => 0.05, '/long' => 0.3 }.freeze
HEADERS = { 'content-type' => 'text/plain', 'content-length' => '5' }.freeze

run(lambda do |env|
  sleep SECONDS.fetch(env['PATH_INFO'])
  [200, HEADERS.dup, ["done\n"]]
end)
