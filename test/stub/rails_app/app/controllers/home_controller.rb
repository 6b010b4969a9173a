# frozen_string_literal: true

# GET /: what there is to see.
class HomeController < ApplicationController
  def index
  end
end
