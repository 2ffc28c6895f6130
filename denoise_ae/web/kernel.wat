;; One layer of a network: a convolution, for 4 output channels and a few neighbouring pixels at a time.
;; Pictures lie in memory as rows, pixels, channels (float32); all steps and sizes are in bytes.
;; Weights: [group of 4 output channels][tap][input channel][4]. The function loops() in engine.js is the same in JavaScript.
;;
;; tools/kernel.py makes kernel.js of it: the function once for N = 7 pixels at a time and once for N = 1.
;; @ is N; a line with # stands for N lines, # being 0, 1, …; lines with %, together, stand for 4 of them, for 4 input channels.
(func (export "pixels@")
  (param $in i32) (param $inPixel i32) (param $inRow i32)
  (param $out i32) (param $outPixel i32) (param $outRow i32)
  (param $rows i32) (param $columns i32)      ;; columns: a multiple of N
  (param $weights i32) (param $bias i32)
  (param $taps i32) (param $tapBytes i32)     ;; where each tap lies, from the pixel; four bytes each
  (param $channels i32) (param $groups i32)   ;; channels: of the input, as bytes of a pixel, a multiple of 16
  (param $add i32) (param $relu i32)          ;; add to what is there? cut off at 0?
  (local $y i32) (local $x i32) (local $row i32) (local $outOfRow i32) (local $pixel i32) (local $o i32)
  (local $w i32) (local $tap i32) (local $at i32) (local $end i32) (local $zero v128) (local $v v128)
  (local $p# i32) (local $sum# v128)
  (loop $group
    (local.set $row (local.get $in)) (local.set $outOfRow (local.get $out)) (local.set $y (i32.const 0))
    (loop $line
      (local.set $pixel (local.get $row)) (local.set $o (local.get $outOfRow)) (local.set $x (i32.const 0))
      (loop $few
        (local.set $sum# (v128.load (local.get $bias)))
        (local.set $w (local.get $weights)) (local.set $tap (i32.const 0))
        (loop $each
          (local.set $at (i32.add (local.get $pixel) (i32.load (i32.add (local.get $taps) (local.get $tap)))))
          (local.set $end (i32.add (local.get $at) (local.get $channels)))
          (local.set $p# (local.get $at)) (local.set $at (i32.add (local.get $at) (local.get $inPixel)))
          (loop $four
            (local.set $v (v128.load offset={16*%} (local.get $w)))
            (local.set $sum# (f32x4.add (local.get $sum#) (f32x4.mul (local.get $v) (v128.load32_splat offset={4*%} (local.get $p#)))))
            (local.set $w (i32.add (local.get $w) (i32.const 64)))
            (local.set $p# (i32.add (local.get $p#) (i32.const 16)))
            (br_if $four (i32.lt_u (local.get $p0) (local.get $end))))
          (br_if $each (i32.lt_u (local.tee $tap (i32.add (local.get $tap) (i32.const 4))) (local.get $tapBytes))))
        (if (local.get $add) (then (local.set $sum# (f32x4.add (local.get $sum#) (v128.load (i32.add (local.get $o) (i32.mul (i32.const #) (local.get $outPixel))))))))
        (if (local.get $relu) (then (local.set $sum# (f32x4.pmax (local.get $zero) (local.get $sum#)))))
        (v128.store (local.get $o) (local.get $sum#)) (local.set $o (i32.add (local.get $o) (local.get $outPixel)))
        (local.set $pixel (i32.add (local.get $pixel) (i32.mul (i32.const @) (local.get $inPixel))))
        (br_if $few (i32.lt_u (local.tee $x (i32.add (local.get $x) (i32.const @))) (local.get $columns))))
      (local.set $row (i32.add (local.get $row) (local.get $inRow)))
      (local.set $outOfRow (i32.add (local.get $outOfRow) (local.get $outRow)))
      (br_if $line (i32.lt_u (local.tee $y (i32.add (local.get $y) (i32.const 1))) (local.get $rows))))
    (local.set $weights (local.get $w))
    (local.set $bias (i32.add (local.get $bias) (i32.const 16)))
    (local.set $out (i32.add (local.get $out) (i32.const 16)))
    (br_if $group (local.tee $groups (i32.sub (local.get $groups) (i32.const 1))))))
