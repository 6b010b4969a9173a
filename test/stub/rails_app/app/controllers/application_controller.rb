# frozen_string_literal: true

class ApplicationController < ActionController::Base
  # An exception, not an emptied session: a test that forgets the token must fail.
  protect_from_forgery with: :exception
end
