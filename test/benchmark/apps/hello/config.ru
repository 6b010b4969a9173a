# frozen_string_literal: true

# The smallest application: a measurement with it shows the cost of the server.
HEADERS = { 'content-type' => 'text/plain', 'content-length' => '12' }.freeze
BODY = ["hello world\n"].freeze

run(->(_env) { [200, HEADERS.dup, BODY] })
