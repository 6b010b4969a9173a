# frozen_string_literal: true

# Long bodies in both directions. The application does as little as possible with them.
PIECE = ('x' * 65_536).freeze
DOWN_PIECES = 16_384

class LongBody
  def each
    DOWN_PIECES.times { yield PIECE }
  end
end

def upload_length(input)
  length = 0
  buffer = +''
  length += buffer.bytesize while input.read(PIECE.bytesize, buffer)
  length
end

run(lambda do |env|
  case env['PATH_INFO']
  when '/down'
    [200, { 'content-type' => 'text/plain',
            'content-length' => (PIECE.bytesize * DOWN_PIECES).to_s }, LongBody.new]
  when '/up'
    [200, { 'content-type' => 'text/plain' }, [upload_length(env['rack.input']).to_s]]
  else
    [200, { 'content-type' => 'text/plain', 'content-length' => '3' }, ['up.']]
  end
end)
