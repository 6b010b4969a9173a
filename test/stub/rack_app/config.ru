# frozen_string_literal: true

require_relative "lib/bare_app"

$stdout.sync = true
$stderr.sync = true
puts "rack_app loaded in #{Process.pid}"

run BareApp.new
