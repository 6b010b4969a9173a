# frozen_string_literal: true

require_relative 'loads/goodput'
require_relative 'plot_panel'

module Bench
  # Good answers within a second. The rate of the requests goes to the right, the good answers go
  # upwards, both in multiples of what the instances can serve.
  class GoodputPanel < PlotPanel
    SHARES = [0, 0.2, 0.4, 0.6, 0.8, 1].freeze
    MOST = Goodput::RATES.last

    private

    def axis
      'requests, in multiples of the capacity; upwards: answered within 1 s'
    end

    def grid
      SHARES.map { |share| horizontal(y(share), share) } +
        Goodput::RATES.map { |rate| vertical(x(rate), rate) }
    end

    def points(row)
      Goodput::RATES.map { |rate| [x(rate), y(row[Goodput.field(rate)])] }
    end

    def x(rate)
      between(rate, 0, MOST, LEFT, RIGHT)
    end

    def y(share)
      between(share, SHARES.first, SHARES.last, BOTTOM, TOP)
    end
  end
end
