# frozen_string_literal: true

# Cannot be parsed.
run proc { |env|
