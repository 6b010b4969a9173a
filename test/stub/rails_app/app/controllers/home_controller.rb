# frozen_string_literal: true

# GET /: links to the pages.
class HomeController < ApplicationController
  def index
  end
end
