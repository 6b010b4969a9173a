# frozen_string_literal: true

module Bench
  # What clients do in a row of the table. A load of its own kind has missing() and run().
  class Load
    def initialize(work)
      @work = work
    end

    # True if a round has to prepare each server before the first one is measured.
    def prepares?
      false
    end
  end
end
