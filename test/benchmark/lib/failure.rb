# frozen_string_literal: true

module Bench
  # A message for the user, without a backtrace.
  class Failure < StandardError
  end
end
