package homeserver

import (
	"bytes"
	"image"
	"image/color"
	_ "image/gif" // decoded by image.Decode
	"image/jpeg"
	"image/png"
)

const (
	maxThumbnail = 1024     // pixels in each direction
	maxPixels    = 16 << 20 // of an image that is made smaller: it takes up to eight bytes for each
)

// Thumbnail is [Thumbnail], one image at a time for all servers that share the commons: a picture of a few KB may take
// hundreds of MB while it is made smaller.
func (s *Server) Thumbnail(media Media, width, height int, crop bool) (Media, error) {
	s.commons.shrinking.Lock()
	defer s.commons.shrinking.Unlock()
	return Thumbnail(media, width, height, crop)
}

// Thumbnail returns a smaller form of an image: one that fits into width and height pixels or, when it is
// cropped, fills them. An image that is small enough stays what it is. What is no JPEG, PNG or GIF fails with
// InvalidParam.
func Thumbnail(media Media, width, height int, crop bool) (Media, error) {
	width, height = min(max(width, 1), maxThumbnail), min(max(height, 1), maxThumbnail)
	config, format, err := image.DecodeConfig(bytes.NewReader(media.Content))
	if err != nil {
		return Media{}, fail(InvalidParam, err, "there are thumbnails of JPEG, PNG and GIF images only")
	}
	if config.Width*config.Height > maxPixels {
		return Media{}, failf(TooLarge, "the image has %d x %d pixels: there is no thumbnail of so large a one", config.Width, config.Height)
	}
	if config.Width <= width && config.Height <= height {
		return media, nil
	}
	full, _, err := image.Decode(bytes.NewReader(media.Content))
	if err != nil {
		return Media{}, fail(InvalidParam, err, "the image is damaged")
	}
	part := full.Bounds()
	if crop {
		part = cropped(part, width, height)
	}
	small := shrink(full, part, fit(part, width, height))
	var out bytes.Buffer
	if format == "jpeg" {
		err = jpeg.Encode(&out, small, nil)
	} else {
		format, err = "png", png.Encode(&out, small)
	}
	if err != nil {
		return Media{}, fail(Internal, err, "the thumbnail cannot be encoded")
	}
	return Media{Type: "image/" + format, Name: media.Name, Content: out.Bytes()}, nil
}

// cropped is the middle of an image with the proportions of width to height.
func cropped(all image.Rectangle, width, height int) image.Rectangle {
	w, h := all.Dx(), all.Dy()
	if w*height > h*width {
		w = max(1, h*width/height)
	} else {
		h = max(1, w*height/width)
	}
	corner := all.Min.Add(image.Pt((all.Dx()-w)/2, (all.Dy()-h)/2))
	return image.Rectangle{corner, corner.Add(image.Pt(w, h))}
}

// fit is the largest size with the proportions of part that fits into width and height, and is not larger than
// part.
func fit(part image.Rectangle, width, height int) image.Point {
	w, h := part.Dx(), part.Dy()
	width, height = min(width, w), min(height, h)
	if w*height > h*width {
		return image.Pt(width, max(1, h*width/w))
	}
	return image.Pt(max(1, w*height/h), height)
}

// shrink gives each pixel the mean of those that it stands for.
func shrink(from image.Image, part image.Rectangle, size image.Point) *image.RGBA64 {
	out := image.NewRGBA64(image.Rectangle{Max: size})
	for y := range size.Y {
		top, bottom := part.Min.Y+y*part.Dy()/size.Y, part.Min.Y+(y+1)*part.Dy()/size.Y
		for x := range size.X {
			left, right := part.Min.X+x*part.Dx()/size.X, part.Min.X+(x+1)*part.Dx()/size.X
			out.SetRGBA64(x, y, mean(from, image.Rect(left, top, right, bottom)))
		}
	}
	return out
}

func mean(from image.Image, part image.Rectangle) color.RGBA64 {
	var r, g, b, a uint64
	for y := part.Min.Y; y < part.Max.Y; y++ {
		for x := part.Min.X; x < part.Max.X; x++ {
			pr, pg, pb, pa := from.At(x, y).RGBA()
			r, g, b, a = r+uint64(pr), g+uint64(pg), b+uint64(pb), a+uint64(pa)
		}
	}
	n := uint64(part.Dx() * part.Dy())
	return color.RGBA64{uint16(r / n), uint16(g / n), uint16(b / n), uint16(a / n)}
}
