# frozen_string_literal: true

class ApplicationController < ActionController::Base
  # An exception, not a quietly emptied session: a test that forgets the token should fail loudly.
  protect_from_forgery with: :exception
end
