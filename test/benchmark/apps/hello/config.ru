# frozen_string_literal: true

# The smallest application: what is measured with it is the way there and back.
HEADERS = { 'content-type' => 'text/plain', 'content-length' => '12' }.freeze
BODY = ["hello world\n"].freeze

run(->(_env) { [200, HEADERS.dup, BODY] })
