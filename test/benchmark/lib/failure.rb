# frozen_string_literal: true

module Bench
  # What the user should read as one message, without a backtrace.
  class Failure < StandardError
  end
end
