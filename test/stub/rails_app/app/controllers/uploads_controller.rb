# frozen_string_literal: true

require "digest"

# A form with a CSRF token and a file; returns the received data.
class UploadsController < ApplicationController
  def new
  end

  def create
    file = params.require(:file)
    render json: {
      title: params[:title],
      name: file.original_filename,
      type: file.content_type,
      size: file.size,
      sha256: Digest::SHA256.file(file.path).hexdigest
    }
  end
end
