package measure

import (
	"image/color"
	"io"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"meshsim/telemetry"
)

// Colours of the transports: told apart by the colour-blind, too, and by their marks.
func look(t telemetry.Transport) (color.Color, draw.GlyphDrawer) {
	if t == telemetry.Lowband {
		return color.RGBA{R: 0x00, G: 0x72, B: 0xb2, A: 0xff}, draw.CircleGlyph{}
	}
	return color.RGBA{R: 0xd5, G: 0x5e, B: 0x00, A: 0xff}, draw.BoxGlyph{}
}

// WriteSVG draws a report: for each step the bytes that each transport took, on a logarithmic scale.
func (r *Report) WriteSVG(w io.Writer) error {
	p := plot.New()
	p.Title.Text = "Bytes on the wire: " + describe(r.Link)
	p.Title.Padding = vg.Points(8)
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.X.Label.Text = "bytes, IP headers included"
	p.Legend.Top, p.Legend.Padding = true, vg.Points(4)
	steps := make([]string, len(r.Rows))
	for i, row := range r.Rows {
		steps[len(steps)-1-i] = row.Step // the first at the top
	}
	p.NominalY(steps...)
	p.Add(plotter.NewGrid())
	for _, t := range Transports() {
		if err := r.scatter(p, t); err != nil {
			return err
		}
	}
	for _, style := range []*text.Style{
		&p.Title.TextStyle, &p.X.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label, &p.Legend.TextStyle,
	} {
		style.Font.Variant = "Sans"
	}
	canvas := vgsvg.New(vg.Points(800), vg.Points(90+22*float64(len(r.Rows))))
	const margin = 14 // points: browsers' fonts are wider than those that the drawing is laid out with
	p.Draw(draw.Crop(draw.New(canvas), 3*margin, -margin, margin, -margin))
	_, err := canvas.WriteTo(w)
	return err
}

func (r *Report) scatter(p *plot.Plot, t telemetry.Transport) error {
	var points plotter.XYs
	for i, row := range r.Rows {
		if cost := row.Cost[t]; cost.Bytes > 0 && cost.Failure == "" {
			points = append(points, plotter.XY{X: float64(cost.Bytes), Y: float64(len(r.Rows) - 1 - i)})
		}
	}
	if len(points) == 0 {
		return nil
	}
	s, err := plotter.NewScatter(points)
	if err != nil {
		return err
	}
	s.GlyphStyle.Color, s.GlyphStyle.Shape = look(t)
	s.GlyphStyle.Radius = vg.Points(4)
	p.Add(s)
	p.Legend.Add(string(t), s)
	return nil
}
