"""Ways from us to our own participants (C3 to C4). Each file is one ``kind`` of a ``[delivery.NAME]`` section."""
