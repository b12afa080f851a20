//! Compression: the only table of codecs, their magic, decoders and encoders.
