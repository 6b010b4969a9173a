# frozen_string_literal: true

# Bodies of any size, up and down, in constant memory.
class StreamsController < ApplicationController
  skip_forgery_protection only: :upload

  PIECE = 64 * 1024

  # POST /raw_upload: size and digest of the request body, read piece by piece.
  def upload
    digest = Digest::SHA256.new
    size = 0
    piece = String.new(capacity: PIECE)
    while request.body.read(PIECE, piece)
      digest << piece
      size += piece.bytesize
    end
    render json: { size: size, sha256: digest.hexdigest, pid: Process.pid }
  end

  # GET /download?bytes=N[&piece=N][&length=no]: PatternStream's first bytes.
  def download
    bytes = params.fetch(:bytes, 1_000).to_i
    piece = params.fetch(:piece, PIECE).to_i
    headers["Content-Type"] = "application/octet-stream"
    headers["Content-Length"] = bytes.to_s unless params[:length] == "no"
    # With a Last-Modified header, Rack::ETag does not collect the body for a digest.
    headers["Last-Modified"] = Time.now.httpdate
    self.response_body = PatternStream.new(bytes, piece)
  end
end
